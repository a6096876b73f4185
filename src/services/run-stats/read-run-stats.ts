import type { Knex } from "knex";
import type { SeriesMetric } from "../../contracts/api/dashboard.js";
import { type DurationBins, percentileOf } from "./duration-bins.js";
import { HOUR, MINUTE } from "./roll-run-stats.js";
import { LOOK_UP_RUNS, RUN_CHANGES } from "./run-changes.js";

/** Beyond this, what the statistics do not hold yet is too much to be added as it is read. */
const LONGEST_LAG_SECONDS = 600;
const HOUR_MS = HOUR * 1000;

/** Whole minutes in buckets of whole minutes; the last of the `count` buckets reaches up to `to`. */
export interface StatsSpan {
  readonly from: Date;
  readonly to: Date;
  readonly bucketSeconds: number;
  readonly count: number;
}

interface State {
  readonly watermark: Date;
  readonly waiting: number;
}

interface Range {
  readonly bucket: number;
  readonly grain: number;
  readonly from: Date;
  readonly to: Date;
}

/**
 * A series from the statistics and from the events that they do not hold yet: counts are exact, percentiles of durations
 * are off by 4.8 % at most. The transaction must see one state of the database throughout (`repeatable read`).
 * @returns undefined while the statistics are far behind: after an upgrade, or with no leader.
 */
export async function readRunStats(
  trx: Knex.Transaction,
  metric: SeriesMetric,
  span: StatsSpan,
): Promise<(number | null)[] | undefined> {
  const { rows } = await trx.raw<{ rows: State[] }>(
    `SELECT watermark, waiting FROM run_stats_state
     WHERE watermark > now() - make_interval(secs => ${LONGEST_LAG_SECONDS})`,
  );
  const [state] = rows;
  if (!state) return undefined;
  await trx.raw(LOOK_UP_RUNS);
  if (metric === "queueDepth") return await readWaiting(trx, state, span);
  if (metric === "durationP95") {
    const buckets = await readDurations(trx, state, span);
    return buckets.map((bins) => percentileOf(bins, 0.95));
  }
  return await readCounts(trx, state, span, metric === "failures" ? "failed" : "created");
}

async function readCounts(
  trx: Knex.Transaction,
  state: State,
  span: StatsSpan,
  column: "created" | "failed",
): Promise<number[]> {
  const { rows } = await trx.raw<{ rows: { bucket: number; runs: number }[] }>(
    `SELECT span.bucket, stats.runs::float8 AS runs FROM (${RANGES}) AS span
     CROSS JOIN LATERAL (
       SELECT sum(${column}) AS runs FROM run_stats WHERE grain = span.grain AND at >= span.begins AND at < span.ends
     ) AS stats
     WHERE stats.runs > 0
     UNION ALL
     SELECT ${BUCKET} AS bucket, count(*)::float8 FROM (${RUN_CHANGES}) AS changed
     WHERE type = :type AND created_at >= :from AND created_at < :to GROUP BY 1`,
    { ...bindingsOf(state, span), type: column === "created" ? "run.queued" : "run.failed" },
  );
  const counts = Array.from({ length: span.count }, () => 0);
  for (const { bucket, runs } of rows) counts[bucket] = (counts[bucket] ?? 0) + runs;
  return counts;
}

async function readDurations(trx: Knex.Transaction, state: State, span: StatsSpan): Promise<DurationBins[]> {
  const { rows } = await trx.raw<{ rows: { bucket: number; bin: number; runs: number }[] }>(
    `SELECT span.bucket, stats.bin, stats.runs::float8 AS runs FROM (${RANGES}) AS span
     CROSS JOIN LATERAL (
       SELECT bin, sum(runs) AS runs FROM run_durations
       WHERE grain = span.grain AND at >= span.begins AND at < span.ends GROUP BY bin
     ) AS stats
     UNION ALL
     SELECT ${BUCKET} AS bucket, bin, count(*)::float8 FROM (${RUN_CHANGES}) AS changed
     WHERE bin IS NOT NULL AND created_at >= :from AND created_at < :to GROUP BY 1, 2`,
    bindingsOf(state, span),
  );
  const buckets = Array.from({ length: span.count }, () => new Map<number, number>());
  for (const { bucket, bin, runs } of rows) {
    const bins = buckets[bucket];
    bins?.set(bin, (bins.get(bin) ?? 0) + runs);
  }
  return buckets;
}

/** At the end of each bucket: what was noted of the last minute before it, or what is known now and has changed since. */
async function readWaiting(trx: Knex.Transaction, state: State, span: StatsSpan): Promise<number[]> {
  const ends = Array.from({ length: span.count }, (_, bucket) => endOf(span, bucket));
  const noted = await trx.raw<{ rows: { waiting: number }[] }>(
    `SELECT coalesce((SELECT waiting FROM run_waiting WHERE minute < ends.at ORDER BY minute DESC LIMIT 1), 0)::float8 AS waiting
     FROM unnest(?::timestamptz[]) WITH ORDINALITY AS ends (at, number) ORDER BY number`,
    [ends.filter((end) => end <= state.watermark)],
  );
  const changed = await trx.raw<{ rows: { bucket: number; moved: number }[] }>(
    `SELECT greatest(0, least(:count - 1, floor(extract(epoch FROM at - :from::timestamptz) / :seconds)))::int AS bucket,
       sum(moved)::int AS moved
     FROM (${RUN_CHANGES}) AS changed WHERE at < :to GROUP BY 1`,
    bindingsOf(state, span),
  );
  const moves = new Map(changed.rows.map(({ bucket, moved }) => [bucket, moved]));
  let waiting = Number(state.waiting);
  return ends.map((end, bucket) => {
    waiting += moves.get(bucket) ?? 0;
    return noted.rows[bucket]?.waiting ?? Math.max(0, end <= state.watermark ? 0 : waiting);
  });
}

const RANGES = `
  SELECT * FROM unnest(:buckets::int[], :grains::int[], :begins::timestamptz[], :ends::timestamptz[])
    AS span (bucket, grain, begins, ends)`;

const BUCKET =
  "least(:count - 1, floor(extract(epoch FROM created_at - :from::timestamptz) / :seconds))::int";

function bindingsOf(state: State, span: StatsSpan) {
  const ranges = Array.from({ length: span.count }, (_, bucket) => rangesOf(span, bucket)).flat();
  return {
    buckets: ranges.map(({ bucket }) => bucket),
    grains: ranges.map(({ grain }) => grain),
    begins: ranges.map(({ from }) => from),
    ends: ranges.map(({ to }) => to),
    from: span.from,
    to: span.to,
    seconds: span.bucketSeconds,
    count: span.count,
    since: state.watermark,
    until: "infinity",
  };
}

function endOf(span: StatsSpan, bucket: number): Date {
  if (bucket === span.count - 1) return span.to;
  return new Date(span.from.getTime() + (bucket + 1) * span.bucketSeconds * 1000);
}

/** A bucket as whole hours, and the minutes before and after them. */
function rangesOf(span: StatsSpan, bucket: number): Range[] {
  const from = new Date(span.from.getTime() + bucket * span.bucketSeconds * 1000);
  const to = endOf(span, bucket);
  const firstHour = new Date(Math.ceil(from.getTime() / HOUR_MS) * HOUR_MS);
  const lastHour = new Date(Math.floor(to.getTime() / HOUR_MS) * HOUR_MS);
  if (firstHour >= lastHour) return [{ bucket, grain: MINUTE, from, to }];
  const ranges: Range[] = [
    { bucket, grain: MINUTE, from, to: firstHour },
    { bucket, grain: HOUR, from: firstHour, to: lastHour },
    { bucket, grain: MINUTE, from: lastHour, to },
  ];
  return ranges.filter((range) => range.from < range.to);
}
