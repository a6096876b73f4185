import { useLayoutEffect, useMemo, useRef, useState } from "react";
import { type ChartPoint, durationTicks, linePath, timeTicks, valueTicks } from "./chart-scale.js";
import styles from "./time-chart.module.css";

/** One figure in a chart. */
export interface ChartSeries {
  readonly id: string;
  readonly label: string;
  readonly tone: "good" | "bad" | "busy" | "wait" | "idle" | "accent";
  readonly points: readonly ChartPoint[];
}

/** What a chart may be told. */
export interface TimeChartProps {
  readonly label: string;
  /** `bars` stand on each other in order; `area` is for one series. */
  readonly kind: "bars" | "area";
  readonly series: readonly ChartSeries[];
  readonly bucketSeconds: number;
  readonly isDuration?: boolean;
  format(value: number): string;
  readonly height?: number;
}

const LEFT = 46;
const BOTTOM = 20;
const TOP = 8;

/** Figures over time. Pointing at it tells the values of that moment; who cannot see it is told the gist. */
export function TimeChart(props: TimeChartProps) {
  const { label, series, format, height = 168 } = props;
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [at, setAt] = useState<number>();
  useLayoutEffect(() => {
    if (!frame.current) return;
    const observer = new ResizeObserver(([entry]) => entry && setWidth(Math.floor(entry.contentRect.width)));
    observer.observe(frame.current);
    return () => observer.disconnect();
  }, []);
  const points = series[0]?.points ?? [];
  const scale = useMemo(() => makeScale(props, width, height), [props, width, height]);
  const pointed = at === undefined ? undefined : points[at];
  return (
    <div
      ref={frame}
      className={styles["frame"]}
      style={{ height }}
      role="img"
      aria-label={`${label}: ${describe(series, format)}`}
      onPointerMove={(event) => {
        const left = event.currentTarget.getBoundingClientRect().left;
        const index = Math.floor((event.clientX - left - LEFT) / scale.bucketWidth);
        setAt(index >= 0 && index < points.length ? index : undefined);
      }}
      onPointerLeave={() => setAt(undefined)}
    >
      {width > 0 && (
        <svg width={width} height={height} aria-hidden="true">
          <Axes scale={scale} points={points} format={format} width={width} height={height} />
          {pointed && (
            <rect
              className={styles["pointed"]}
              x={scale.x(pointed.at)}
              y={TOP}
              width={scale.bucketWidth}
              height={height - TOP - BOTTOM}
            />
          )}
          {props.kind === "bars" ? (
            <Bars series={series} scale={scale} />
          ) : (
            series.map((each) => <Area key={each.id} series={each} scale={scale} />)
          )}
        </svg>
      )}
      {pointed && at !== undefined && (
        <div
          className={styles["tip"]}
          style={
            scale.x(pointed.at) > width / 2
              ? { right: width - scale.x(pointed.at) + 8 }
              : { left: scale.x(pointed.at) + scale.bucketWidth + 8 }
          }
        >
          <p>{formatSpan(pointed.at, props.bucketSeconds)}</p>
          {series.map(({ id, label: name, tone, points: own }) => (
            <p key={id} className={styles["value"]}>
              <span className={`${styles["dot"]} ${styles[tone]}`} />
              {name}
              <strong>{own[at]?.value == null ? "–" : format(own[at].value)}</strong>
            </p>
          ))}
        </div>
      )}
    </div>
  );
}

interface Scale {
  readonly bucketWidth: number;
  readonly ticks: readonly number[];
  readonly bottom: number;
  x(at: number): number;
  y(value: number): number;
}

function makeScale(props: TimeChartProps, width: number, height: number): Scale {
  const { series, kind, bucketSeconds } = props;
  const points = series[0]?.points ?? [];
  const start = points[0]?.at ?? 0;
  const bucketWidth = points.length === 0 ? 1 : Math.max(0, width - LEFT) / points.length;
  const largest = Math.max(
    0,
    ...points.map((_, index) => {
      const values = series.map((each) => each.points[index]?.value ?? 0);
      return kind === "bars" ? values.reduce((one, other) => one + other, 0) : Math.max(...values);
    }),
  );
  const ticks = props.isDuration ? durationTicks(largest) : valueTicks(largest, true);
  const top = ticks.at(-1) ?? 1;
  const bottom = height - BOTTOM;
  return {
    bucketWidth,
    ticks,
    bottom,
    x: (at) => LEFT + ((at - start) / (bucketSeconds * 1000)) * bucketWidth,
    y: (value) => bottom - (value / top) * (bottom - TOP),
  };
}

function Axes({
  scale,
  points,
  format,
  width,
  height,
}: {
  readonly scale: Scale;
  readonly points: readonly ChartPoint[];
  format(value: number): string;
  readonly width: number;
  readonly height: number;
}) {
  const isLong = points.length > 1 && (points.at(-1)?.at ?? 0) - (points[0]?.at ?? 0) > 36 * 3_600_000;
  return (
    <g className={styles["axes"]}>
      {scale.ticks.map((tick) => (
        <g key={tick}>
          <line x1={LEFT} x2={width} y1={scale.y(tick)} y2={scale.y(tick)} />
          <text x={LEFT - 8} y={scale.y(tick) + 3.5} textAnchor="end">
            {format(tick)}
          </text>
        </g>
      ))}
      {timeTicks(points, Math.floor((width - LEFT) / 76)).map(({ at }) => (
        <text
          key={at}
          x={Math.min(width - 26, scale.x(at) + scale.bucketWidth / 2)}
          y={height - 5}
          textAnchor="middle"
        >
          {(isLong ? DAY : CLOCK).format(at)}
        </text>
      ))}
    </g>
  );
}

function Bars({ series, scale }: { readonly series: readonly ChartSeries[]; readonly scale: Scale }) {
  const points = series[0]?.points ?? [];
  const gap = scale.bucketWidth > 6 ? 2 : 0.5;
  return points.map(({ at }, index) => {
    let below = 0;
    return series.map(({ id, tone, points: own }) => {
      const value = own[index]?.value ?? 0;
      if (value === 0) return null;
      const from = scale.y(below);
      below += value;
      const height = Math.max(1, from - scale.y(below));
      return (
        <rect
          key={`${id} ${at}`}
          className={styles[tone]}
          x={scale.x(at) + gap / 2}
          y={from - height}
          width={Math.max(1, scale.bucketWidth - gap)}
          height={height}
          rx={Math.min(2, height / 2)}
        />
      );
    });
  });
}

function Area({ series, scale }: { readonly series: ChartSeries; readonly scale: Scale }) {
  const middle = (at: number) => scale.x(at) + scale.bucketWidth / 2;
  const line = linePath(series.points, middle, scale.y);
  const known = series.points.filter(({ value }) => value !== null);
  return (
    <g className={styles[series.tone]}>
      {line !== "" && <path className={styles["line"]} d={line} />}
      {series.points.length < 80 &&
        known.map(({ at, value }) => (
          <circle key={at} cx={middle(at)} cy={scale.y(value ?? 0)} r={scale.bucketWidth > 14 ? 2.5 : 1.5} />
        ))}
    </g>
  );
}

function describe(series: readonly ChartSeries[], format: (value: number) => string): string {
  return series
    .map(({ label, points }) => {
      const values = points.flatMap(({ value }) => (value === null ? [] : [value]));
      if (values.length === 0) return `${label}: no values`;
      return `${label}: newest ${format(values.at(-1) ?? 0)}, highest ${format(Math.max(...values))}`;
    })
    .join("; ");
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const FULL = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});

function formatSpan(at: number, bucketSeconds: number): string {
  return `${FULL.format(at)} – ${CLOCK.format(at + bucketSeconds * 1000)}`;
}
