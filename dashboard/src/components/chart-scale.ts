/** One point of a series; null where there is no value. */
export interface ChartPoint {
  readonly at: number;
  readonly value: number | null;
}

/** Round numbers for the value axis, from 0 to at least the largest value: three steps or so, whole ones for counts. */
export function valueTicks(largest: number, isWhole = false): number[] {
  if (largest <= 0) return [0, 1];
  if (isWhole && largest <= 4) return Array.from({ length: Math.ceil(largest) + 1 }, (_, index) => index);
  const rough = largest / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((each) => each * power >= rough) ?? 10) * power;
  const count = Math.ceil(largest / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

/** The same for a duration in milliseconds: steps that people count time in. */
export function durationTicks(largestMs: number): number[] {
  const unit = largestMs < 1000 ? 1 : largestMs < 60_000 ? 1000 : largestMs < 3_600_000 ? 60_000 : 3_600_000;
  return valueTicks(largestMs / unit).map((tick) => tick * unit);
}

/** Lines through the points, broken where a value is missing, as an SVG path. */
export function linePath(
  points: readonly ChartPoint[],
  x: (at: number) => number,
  y: (value: number) => number,
): string {
  let isOpen = false;
  const parts: string[] = [];
  for (const { at, value } of points) {
    if (value === null) {
      isOpen = false;
      continue;
    }
    parts.push(`${isOpen ? "L" : "M"}${round(x(at))} ${round(y(value))}`);
    isOpen = true;
  }
  return parts.join("");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Every so many points a time is written under the chart, so that `most` fit. */
export function timeTicks(points: readonly ChartPoint[], most: number): ChartPoint[] {
  const every = Math.max(1, Math.ceil(points.length / Math.max(1, most)));
  return points.filter((_, index) => index % every === Math.floor(every / 2));
}
