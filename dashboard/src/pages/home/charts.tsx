import { useQuery } from "@tanstack/react-query";
import type { SeriesMetric, Timeseries } from "../../../../src/contracts/api/dashboard.js";
import { queryKeys } from "../../api/query-keys.js";
import { apiRequest } from "../../api/request.js";
import type { ChartPoint } from "../../components/chart-scale.js";
import { Panel } from "../../components/panel.js";
import { ErrorPanel } from "../../components/states.js";
import { type ChartSeries, TimeChart } from "../../components/time-chart.js";
import { formatDuration } from "../../format/duration.js";
import { formatCount } from "../../format/numbers.js";
import styles from "./home-page.module.css";
import { boundsOf, SPANS, type SpanId } from "./spans.js";

const METRICS: readonly SeriesMetric[] = ["runs", "failures", "durationP95", "queueDepth"];
const EVERY_MS = 20_000;

/** Throughput with failures, how long runs take, and how many wait for their start, over time. */
export function Charts({ spanId }: { readonly spanId: SpanId }) {
  const { data, error, refetch } = useQuery({
    queryKey: queryKeys.series("all", spanId),
    queryFn: async ({ signal }) => await readAll(spanId, signal),
    refetchInterval: EVERY_MS,
    placeholderData: (before) => before,
  });
  if (error && !data) return <ErrorPanel error={error} onRetry={() => void refetch()} />;
  const { bucketSeconds } = SPANS[spanId];
  const shared = { bucketSeconds: data?.bucketSeconds ?? bucketSeconds };
  const others = data?.runs.map(({ at, value }, index) => ({
    at,
    value: value === null ? null : Math.max(0, value - (data.failures[index]?.value ?? 0)),
  }));
  return (
    <div className={styles["charts"]}>
      <Panel
        title="Runs"
        side={
          <Legend
            entries={[
              ["Failed", "bad"],
              ["Others", "accent"],
            ]}
          />
        }
      >
        <TimeChart
          {...shared}
          label="Runs over time"
          kind="bars"
          format={formatCount}
          series={[
            { id: "failed", label: "Failed", tone: "bad", points: data?.failures ?? [] },
            { id: "others", label: "Others", tone: "accent", points: others ?? [] },
          ]}
        />
      </Panel>
      <Panel title="Duration, 95th percentile">
        <TimeChart
          {...shared}
          label="95th percentile of how long runs take"
          kind="area"
          isDuration
          format={formatDuration}
          series={[{ id: "p95", label: "p95", tone: "busy", points: data?.durationP95 ?? [] }]}
        />
      </Panel>
      <Panel title="Queue depth">
        <TimeChart
          {...shared}
          label="Runs that wait for their start"
          kind="area"
          format={formatCount}
          series={[{ id: "depth", label: "Queued runs", tone: "wait", points: data?.queueDepth ?? [] }]}
        />
      </Panel>
    </div>
  );
}

function Legend({ entries }: { readonly entries: readonly (readonly [string, ChartSeries["tone"]])[] }) {
  return entries.map(([label, tone]) => (
    <span key={label} className={styles["legend"]}>
      <span className={styles[tone]} />
      {label}
    </span>
  ));
}

type Points = Readonly<Record<SeriesMetric, readonly ChartPoint[]>> & { readonly bucketSeconds: number };

async function readAll(spanId: SpanId, signal: AbortSignal): Promise<Points> {
  const { bucket, bucketSeconds } = SPANS[spanId];
  const bounds = boundsOf(spanId, Date.now());
  const read = async (metric: SeriesMetric) => {
    const query = { metric, bucket, ...bounds };
    const { points } = await apiRequest<Timeseries>("/dashboard/timeseries", { query, signal });
    return [metric, points.map(({ at, value }) => ({ at: new Date(at).getTime(), value }))] as const;
  };
  const series = Object.fromEntries(await Promise.all(METRICS.map(read))) as Record<
    SeriesMetric,
    ChartPoint[]
  >;
  return { ...series, bucketSeconds };
}
