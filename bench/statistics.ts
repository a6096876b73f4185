/** The middle of some values; the mean of the two middle ones when their count is even. NaN without values. */
export function median(values: readonly number[]): number {
  const sorted = ascending(values);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length % 2 === 1) return sorted[middle] ?? Number.NaN;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}

/** The smallest value that at least `percent` of all values do not exceed (nearest rank). NaN without values. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = ascending(values);
  const rank = Math.ceil((percent / 100) * sorted.length);
  return sorted[Math.max(0, rank - 1)] ?? Number.NaN;
}

/** A contender's latencies in one line. All in the unit of the samples. */
export interface LatencySummary {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly count: number;
}

/** Percentiles of some samples. */
export function summarise(samples: readonly number[]): LatencySummary {
  return {
    p50: percentile(samples, 50),
    p95: percentile(samples, 95),
    p99: percentile(samples, 99),
    count: samples.length,
  };
}

/**
 * The median of `ours[i] / theirs[i]`. Both were measured in the same round, so what the machine did to one it did
 * to the other; the ratio of two medians would mix rounds.
 * @throws Error when the two do not have the same number of rounds.
 */
export function pairedRatio(ours: readonly number[], theirs: readonly number[]): number {
  return median(pair(ours, theirs).map(([own, other]) => own / other));
}

/** The median of `ours[i] - theirs[i]`; see {@link pairedRatio}. @throws Error when the rounds do not match. */
export function pairedDifference(ours: readonly number[], theirs: readonly number[]): number {
  return median(pair(ours, theirs).map(([own, other]) => own - other));
}

function pair(ours: readonly number[], theirs: readonly number[]): [number, number][] {
  if (ours.length !== theirs.length) {
    throw new Error(`${ours.length} rounds cannot be paired with ${theirs.length}`);
  }
  return ours.map((own, round) => [own, theirs[round] as number]);
}

function ascending(values: readonly number[]): number[] {
  return [...values].sort((one, other) => one - other);
}
