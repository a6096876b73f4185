import type { Knex } from "knex";
import { LOOK_UP_RUNS, RUN_CHANGES } from "./run-changes.js";

/** About so many events are taken in by one transaction; a minute is never split. */
const EVENTS_AT_ONCE = 20_000;
/** Between a transaction's beginning and its being seen in `pg_stat_activity` lies less than this. */
const MARGIN_SECONDS = 5;
const MINUTE_MS = 60_000;
const ROWS_PER_DELETE = 5000;
/** A month of runs goes when the last of it is too old: statistics of its first days stay as long. */
const LONGEST_MONTH_DAYS = 31;

/** Grains of the statistics, in seconds. */
export const MINUTE = 60;
export const HOUR = 3600;

interface State {
  readonly watermark: Date;
  readonly waiting: number;
}

/**
 * Takes the next events of runs into the statistics and moves the watermark, in one transaction: a crash leaves both or
 * neither, and of two at once one finds nothing to do. The watermark stays behind every transaction under way, which
 * may yet write events with the time of its beginning.
 * @returns whether there may be more to take in at once.
 */
export async function rollRunStats(knex: Knex, eventsAtOnce: number = EVENTS_AT_ONCE): Promise<boolean> {
  return await knex.transaction(async (trx) => {
    const { rows } = await trx.raw<{ rows: State[] }>(
      "SELECT watermark, waiting FROM run_stats_state FOR UPDATE SKIP LOCKED",
    );
    const [state] = rows;
    if (!state) return false;
    const horizon = await readHorizon(trx);
    if (horizon <= state.watermark) return false;
    // a later statement sees all that was committed before the horizon was read
    const until = await chooseEnd(trx, state.watermark, horizon, eventsAtOnce);
    const moved = await takeIn(trx, state, until);
    await trx("run_stats_state").update({ watermark: until, waiting: Number(state.waiting) + moved });
    return until < horizon;
  });
}

/** The whole minute before which no transaction that is still open has begun. */
async function readHorizon(trx: Knex.Transaction): Promise<Date> {
  const { rows } = await trx.raw<{ rows: { horizon: Date }[] }>(
    `SELECT date_trunc('minute', least(
       clock_timestamp() - make_interval(secs => ${MARGIN_SECONDS}),
       (SELECT min(xact_start) FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid())
     )) AS horizon`,
  );
  return rows[0]?.horizon ?? new Date(0);
}

async function chooseEnd(
  trx: Knex.Transaction,
  watermark: Date,
  horizon: Date,
  eventsAtOnce: number,
): Promise<Date> {
  const next = `SELECT date_trunc('minute', at) FROM run_events
    WHERE type LIKE 'run.%' AND at >= :watermark ORDER BY at`;
  const { rows } = await trx.raw<{ rows: { first: Date | null; last: Date | null }[] }>(
    `SELECT (${next} LIMIT 1) AS first, (${next} OFFSET :eventsAtOnce LIMIT 1) AS last`,
    { watermark, eventsAtOnce },
  );
  const { first, last } = rows[0] ?? {};
  if (!first || !last) return horizon;
  return new Date(Math.min(horizon.getTime(), Math.max(first.getTime() + MINUTE_MS, last.getTime())));
}

/** @returns by how much the number of waiting runs has changed */
async function takeIn(trx: Knex.Transaction, state: State, until: Date): Promise<number> {
  await trx.raw(LOOK_UP_RUNS);
  const { rows } = await trx.raw<{ rows: { moved: number }[] }>(
    `WITH changed AS MATERIALIZED (${RUN_CHANGES}), counted AS (
       INSERT INTO run_stats (grain, at, created, succeeded, failed, canceled)
       SELECT grain, date_bin(make_interval(secs => grain), created_at, 'epoch'),
         count(*) FILTER (WHERE type = 'run.queued'), count(*) FILTER (WHERE type = 'run.succeeded'),
         count(*) FILTER (WHERE type = 'run.failed'), count(*) FILTER (WHERE type = 'run.canceled')
       FROM changed CROSS JOIN unnest(ARRAY[${MINUTE}, ${HOUR}]) AS grain
       WHERE type <> 'run.started'
       GROUP BY 1, 2
       ON CONFLICT (grain, at) DO UPDATE SET created = run_stats.created + EXCLUDED.created,
         succeeded = run_stats.succeeded + EXCLUDED.succeeded, failed = run_stats.failed + EXCLUDED.failed,
         canceled = run_stats.canceled + EXCLUDED.canceled
     ), measured AS (
       INSERT INTO run_durations (grain, at, bin, runs)
       SELECT grain, date_bin(make_interval(secs => grain), created_at, 'epoch'), bin, count(*)
       FROM changed CROSS JOIN unnest(ARRAY[${MINUTE}, ${HOUR}]) AS grain
       WHERE bin IS NOT NULL
       GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
       ON CONFLICT (grain, at, bin) DO UPDATE SET runs = run_durations.runs + EXCLUDED.runs
     ), waited AS (
       INSERT INTO run_waiting (minute, waiting)
       SELECT date_trunc('minute', at), :waiting::bigint + sum(sum(moved)) OVER (ORDER BY date_trunc('minute', at))
       FROM changed GROUP BY 1
       ON CONFLICT (minute) DO UPDATE SET waiting = EXCLUDED.waiting
     )
     SELECT coalesce(sum(moved), 0)::int AS moved FROM changed`,
    { since: state.watermark, until, waiting: state.waiting },
  );
  return rows[0]?.moved ?? 0;
}

/** Statistics of runs that were created, at the latest, a month before those that retention lets go. */
export async function removeOldRunStats(knex: Knex, days: number, signal: AbortSignal): Promise<void> {
  for (const [table, column] of [
    ["run_stats", "at"],
    ["run_durations", "at"],
    ["run_waiting", "minute"],
  ] as const) {
    for (;;) {
      signal.throwIfAborted();
      const { rowCount } = await knex.raw<{ rowCount: number }>(
        `DELETE FROM :table: WHERE ctid = ANY (ARRAY(
           SELECT ctid FROM :table: WHERE :column: < now() - make_interval(days => :days) LIMIT ${ROWS_PER_DELETE}))`,
        { table, column, days: days + LONGEST_MONTH_DAYS },
      );
      if (rowCount === 0) break;
    }
  }
}
