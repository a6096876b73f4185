import type { Knex } from "knex";
import type { SeriesMetric, Timeseries, TimeseriesQuery } from "../../contracts/api/dashboard.js";
import { firstIdAt } from "../../core/ids.js";
import { AppError, type FieldFault, invalidFields } from "../../errors/app-error.js";
import { readRunStats, type StatsSpan } from "../run-stats/read-run-stats.js";

const DAY_MS = 24 * 3600 * 1000;
const MOST_POINTS = 1000;
const MOST_DAYS = 92;
const TIMEOUT_MS = 5000;
/** A run that waits for its start longer than this is no longer counted as queued depth. */
const LONGEST_QUEUED_MS = DAY_MS;
const MINUTE_MS = 60_000;
/** Of buckets from this length on, the ends of a span may be moved to whole minutes without being seen. */
const WIDE_SECONDS = 300;
const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

interface Span extends StatsSpan {
  /** Whether it is made of whole minutes, of which there are statistics. */
  readonly isWhole: boolean;
}

/**
 * One figure over time, by when runs were created; `queueDepth` is the number of runs that wait for their start at
 * the end of each bucket. `durationP95` is in milliseconds, null where no run has ended. Whole minutes are read from
 * statistics (ADR 31), where `durationP95` is off by 4.8 % at most; with buckets of five minutes and more, `from` and
 * `to` are widened to whole minutes. Everything else, and everything while the statistics are far behind, is read from
 * the runs.
 * @throws AppError INVALID_FIELDS; NOT_READY when it takes longer than five seconds.
 */
export async function readTimeseries(knex: Knex, query: TimeseriesQuery): Promise<Timeseries> {
  const span = widen(judgeSpan(query, new Date()));
  const values = await readWithLimit(knex, async (trx) => {
    const known = span.isWhole ? await readRunStats(trx, query.metric, span) : undefined;
    return known ?? (await READERS[query.metric](trx, span));
  });
  const { from, to, bucketSeconds } = span;
  return {
    metric: query.metric,
    from: from.toISOString(),
    to: to.toISOString(),
    bucketSeconds,
    points: values.map((value, index) => ({
      at: new Date(from.getTime() + index * bucketSeconds * 1000).toISOString(),
      value,
    })),
  };
}

function judgeSpan(query: TimeseriesQuery, now: Date): Omit<StatsSpan, "count"> {
  const to = query.to === undefined ? now : new Date(query.to);
  const from = query.from === undefined ? new Date(to.getTime() - DAY_MS) : new Date(query.from);
  const spanSeconds = (to.getTime() - from.getTime()) / 1000;
  const bucketSeconds = toBucketSeconds(query.bucket ?? "1h");
  const faults: FieldFault[] = [];
  if (spanSeconds <= 0) faults.push({ path: "/from", message: "must be earlier than `to`" });
  if (spanSeconds > MOST_DAYS * 86_400)
    faults.push({ path: "/from", message: `may lie ${MOST_DAYS} days before \`to\` at most` });
  if (spanSeconds / bucketSeconds > MOST_POINTS) {
    faults.push({ path: "/bucket", message: `makes more than ${MOST_POINTS} points of this span` });
  }
  if (faults.length > 0) throw invalidFields(faults);
  return { from, to, bucketSeconds };
}

/** Moves the ends outwards to whole minutes where the buckets allow it; there are as many buckets as before. */
function widen({ from, to, bucketSeconds }: Omit<StatsSpan, "count">): Span {
  const count = Math.max(1, Math.ceil((to.getTime() - from.getTime()) / 1000 / bucketSeconds));
  const wideFrom = new Date(Math.floor(from.getTime() / MINUTE_MS) * MINUTE_MS);
  const wideTo = new Date(Math.ceil(to.getTime() / MINUTE_MS) * MINUTE_MS);
  const isWide = wideFrom.getTime() === from.getTime() && wideTo.getTime() === to.getTime();
  if (bucketSeconds % 60 !== 0 || !(isWide || bucketSeconds >= WIDE_SECONDS))
    return { from, to, bucketSeconds, count, isWhole: false };
  return { from: wideFrom, to: wideTo, bucketSeconds, count, isWhole: true };
}

function toBucketSeconds(text: string): number {
  return Number(text.slice(0, -1)) * (UNIT_SECONDS[text.slice(-1)] ?? 1);
}

const READERS: Readonly<
  Record<SeriesMetric, (trx: Knex.Transaction, span: Span) => Promise<(number | null)[]>>
> = {
  runs: async (trx, span) => await readBuckets(trx, span, "count(*)", "true", 0),
  failures: async (trx, span) => await readBuckets(trx, span, "count(*)", "status = 'failed'", 0),
  durationP95: async (trx, span) =>
    await readBuckets(
      trx,
      span,
      "percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - started_at) * 1000)",
      "finished_at IS NOT NULL AND started_at IS NOT NULL",
      null,
    ),
  queueDepth: readQueueDepth,
};

/** Aggregates runs by the bucket of their id's time: the id bounds the partitions, and orders them. */
async function readBuckets(
  trx: Knex.Transaction,
  span: Span,
  aggregate: string,
  condition: string,
  empty: number | null,
): Promise<(number | null)[]> {
  const { rows } = await trx.raw<{ rows: { bucket: number; value: number | null }[] }>(
    `SELECT least(:count - 1, floor(extract(epoch FROM created_at - :from::timestamptz) / :seconds))::int AS bucket, (${aggregate})::float8 AS value
     FROM workflow_runs
     WHERE id >= :first AND id < :last AND created_at >= :from AND created_at < :to AND ${condition}
     GROUP BY 1`,
    { ...idRange(span.from, span.to), ...bindingsOf(span) },
  );
  const values: (number | null)[] = Array.from({ length: span.count }, () => empty);
  for (const { bucket, value } of rows) values[bucket] = value;
  return values;
}

async function readQueueDepth(trx: Knex.Transaction, span: Span): Promise<number[]> {
  const begin = new Date(span.from.getTime() - LONGEST_QUEUED_MS);
  const { rows } = await trx.raw<{ rows: { bucket: number; delta: number }[] }>(
    `SELECT greatest(-1, least(:count - 1, floor(extract(epoch FROM moved.at - :from::timestamptz) / :seconds)))::int AS bucket,
       sum(moved.delta)::int AS delta
     FROM workflow_runs AS run
     CROSS JOIN LATERAL (VALUES (run.created_at, 1), (COALESCE(run.started_at, run.finished_at), -1)) AS moved (at, delta)
     WHERE run.id >= :first AND run.id < :last AND moved.at < :to
     GROUP BY 1 ORDER BY 1`,
    { ...idRange(begin, span.to), ...bindingsOf(span) },
  );
  const deltas = new Map(rows.map((row) => [row.bucket, row.delta]));
  let depth = deltas.get(-1) ?? 0;
  return Array.from({ length: span.count }, (_, bucket) => {
    depth += deltas.get(bucket) ?? 0;
    return Math.max(0, depth);
  });
}

function bindingsOf({ from, to, bucketSeconds, count }: Span) {
  return { from, to, seconds: bucketSeconds, count };
}

/** Ids by the clock of the process that made them: a few minutes of slack on both sides. */
function idRange(from: Date, to: Date): { first: string; last: string } {
  const slackMs = 10 * 60_000;
  return {
    first: firstIdAt(new Date(from.getTime() - slackMs)),
    last: firstIdAt(new Date(to.getTime() + slackMs)),
  };
}

async function readWithLimit<Value>(
  knex: Knex,
  read: (trx: Knex.Transaction) => Promise<Value>,
): Promise<Value> {
  try {
    return await knex.transaction(
      async (trx) => {
        await trx.raw(`SET LOCAL statement_timeout = ${TIMEOUT_MS}`);
        return await read(trx);
      },
      { isolationLevel: "repeatable read", readOnly: true },
    );
  } catch (error) {
    if ((error as { code?: string }).code === "57014") {
      throw new AppError("NOT_READY", "The series took too long to read: ask for a shorter span", {
        cause: error,
      });
    }
    throw error;
  }
}
