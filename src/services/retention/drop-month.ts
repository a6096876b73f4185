import { setTimeout as sleep } from "node:timers/promises";
import type { Knex } from "knex";
import { systemActor } from "../../core/actor.js";
import type { AuditLog } from "../audit/audit-log.js";
import { isLockTimeout } from "../database-conflicts.js";

/** The tables that are partitioned by month of the run's id, in the order in which the engine locks them. */
export const RUN_TABLES = [
  { name: "workflow_runs", runColumn: "id" },
  { name: "step_runs", runColumn: "run_id" },
  { name: "step_attempts", runColumn: "run_id" },
  { name: "run_events", runColumn: "run_id" },
  { name: "step_items", runColumn: "run_id" },
] as const;

/** One month of runs, as `YYYYMM`. */
export type Month = string;

/** What became of a month. */
export interface DroppedMonth {
  /** Runs that went. */
  readonly removed: number;
  /** Runs that stay: pinned, unfinished, ended too lately, or started by one of those. */
  readonly kept: number;
}

/** What dropping a month needs. */
export interface DropMonthDeps {
  readonly knex: Knex;
  readonly audit: AuditLog;
  readonly days: number;
}

interface Partition {
  readonly parent: string;
  readonly name: string;
  readonly runColumn: string;
  /** `FOR VALUES FROM ('…') TO ('…')` */
  readonly bounds: string;
}

/** One retention at a time: a second one would judge rows that the first is moving. */
const RETENTION_LOCK = 7238120030;
/** Everybody queues behind a waiting exclusive lock, so it does not wait long; longer than PostgreSQL takes to end an autovacuum. */
const LOCK_TIMEOUT = "1200ms";
const LOCK_TRIES = 10;
const LOCK_PAUSE_MS = 2000;
/** Copying under the lock is cut off after this: the month stays as it is until the next pass. */
const LOCKED_STATEMENT_TIMEOUT = "10s";

/** The months, oldest first, of which every run was made more than `days` ago by the database's clock. */
export async function listOverdueMonths(knex: Knex, days: number): Promise<Month[]> {
  const { rows } = await knex.raw<{ rows: { month: Month }[] }>(
    `SELECT right(child.relname, 6) AS month
     FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
     WHERE inhparent = 'workflow_runs'::regclass AND child.relname ~ '^workflow_runs_[0-9]{6}$'
       AND (to_date(right(child.relname, 6), 'YYYYMM') + interval '1 month') AT TIME ZONE 'UTC'
         <= now() - make_interval(days => ?)
     ORDER BY 1`,
    [days],
  );
  return rows.map((row) => row.month);
}

/**
 * Replaces a month's partitions by ones that hold only what is kept, or by none. What can no longer change is copied
 * beforehand; only the rest is copied while the tables are locked.
 * @returns undefined when there was nothing to remove, or another process is at it.
 * @throws when the tables stayed busy; nothing has changed then.
 */
export async function dropMonth(
  deps: DropMonthDeps,
  month: Month,
  signal: AbortSignal,
): Promise<DroppedMonth | undefined> {
  return await deps.knex.transaction(async (trx) => {
    const { rows } = await trx.raw("SELECT pg_try_advisory_xact_lock(?) AS is_mine", [RETENTION_LOCK]);
    if (!rows[0].is_mine) return undefined;
    const partitions = await findPartitions(trx, month);
    const [runs] = partitions;
    if (!runs) return undefined;
    await listKept(trx, runs, deps.days);
    const counts = await countRuns(trx, runs);
    if (counts.removed === 0 && counts.kept > 0) return undefined;
    await copySettled(trx, partitions);
    const kept = await withLocks(trx, signal, async (locked) => await swap(locked, partitions));
    const result = { removed: counts.removed - (kept - counts.kept), kept };
    await deps.audit.record(trx, {
      actor: systemActor("retention"),
      origin: null,
      action: "run.expire",
      entityType: "workflow_run",
      after: { month, days: deps.days, ...result },
    });
    return result;
  });
}

async function findPartitions(trx: Knex.Transaction, month: Month): Promise<Partition[]> {
  const found: Partition[] = [];
  for (const { name: parent, runColumn } of RUN_TABLES) {
    const name = `${parent}_${month}`;
    const { rows } = await trx.raw<{ rows: { bounds: string }[] }>(
      `SELECT pg_get_expr(child.relpartbound, child.oid) AS bounds
       FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
       WHERE inhparent = ?::regclass AND child.relname = ?`,
      [parent, name],
    );
    // months from before a table was made have no partition of it: its rows lie in its default partition
    if (rows[0]) found.push({ parent, name, runColumn, bounds: rows[0].bounds });
  }
  return found;
}

/**
 * Notes the runs that stay. A run that a kept one has started stays with it; of months before this one, only kept
 * runs are left. What has ended cannot change any more and may be copied at once.
 */
async function listKept(trx: Knex.Transaction, runs: Partition, days: number): Promise<void> {
  await trx.raw(
    `CREATE TEMPORARY TABLE kept_runs ON COMMIT DROP AS
     WITH RECURSIVE kept AS (
       SELECT run.id, run.finished_at FROM :table: run
       WHERE run.is_pinned OR run.finished_at IS NULL OR run.finished_at > now() - make_interval(days => :days)
         OR EXISTS (
           SELECT 1 FROM workflow_runs parent
           WHERE parent.id = run.parent_run_id AND parent.id < (SELECT id FROM :table: ORDER BY id LIMIT 1))
       UNION
       SELECT child.id, child.finished_at FROM :table: child JOIN kept ON child.parent_run_id = kept.id
     )
     SELECT id, finished_at IS NOT NULL AS is_settled FROM kept`,
    { table: runs.name, days },
  );
  await trx.raw("ALTER TABLE kept_runs ADD PRIMARY KEY (id)");
}

async function countRuns(trx: Knex.Transaction, runs: Partition): Promise<DroppedMonth> {
  const { rows } = await trx.raw(
    "SELECT (SELECT count(*) FROM ??) AS total, count(*) AS kept FROM kept_runs",
    [runs.name],
  );
  const { total, kept } = rows[0] as { total: number; kept: number };
  return { removed: total - kept, kept };
}

async function copySettled(trx: Knex.Transaction, partitions: readonly Partition[]): Promise<void> {
  for (const { name, runColumn } of partitions) {
    await trx.raw("CREATE TABLE ?? (LIKE ?? INCLUDING ALL)", [stagingOf(name), name]);
    await trx.raw("INSERT INTO ?? SELECT * FROM ?? WHERE ?? IN (SELECT id FROM kept_runs WHERE is_settled)", [
      stagingOf(name),
      name,
      runColumn,
    ]);
  }
}

/** Does the locked part; begins it anew while the tables are in use by others. */
async function withLocks<Result>(
  trx: Knex.Transaction,
  signal: AbortSignal,
  work: (locked: Knex.Transaction) => Promise<Result>,
): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    signal.throwIfAborted();
    try {
      return await trx.transaction(async (locked) => {
        await locked.raw(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
        await locked.raw(`SET LOCAL statement_timeout = '${LOCKED_STATEMENT_TIMEOUT}'`);
        for (const { name } of RUN_TABLES)
          await locked.raw("LOCK TABLE ONLY ?? IN ACCESS EXCLUSIVE MODE", [name]);
        return await work(locked);
      });
    } catch (error) {
      if (!isLockTimeout(error) || tries === LOCK_TRIES) throw error;
      await sleep(LOCK_PAUSE_MS * (0.5 + Math.random()), undefined, { signal });
    }
  }
}

/** Copies what may have changed until now, then puts the new partitions in the place of the old. @returns kept runs */
async function swap(trx: Knex.Transaction, partitions: readonly Partition[]): Promise<number> {
  const [runs] = partitions;
  if (!runs) return 0;
  for (const { parent, name } of partitions)
    await trx.raw("ALTER TABLE ?? DETACH PARTITION ??", [parent, name]);
  await addLatelyKept(trx, runs);
  await copyUnsettled(trx, partitions, runs);
  const { rows } = await trx.raw("SELECT count(*) AS kept FROM kept_runs");
  const { kept } = rows[0] as { kept: number };
  for (const { parent, name, bounds } of partitions) {
    await trx.raw("DROP TABLE ??", [name]);
    if (kept === 0) {
      await trx.raw("DROP TABLE ??", [stagingOf(name)]);
      continue;
    }
    await trx.raw("ALTER TABLE ?? RENAME TO ??", [stagingOf(name), name]);
    // what pg_get_expr wrote, and nothing else
    await trx.raw(`ALTER TABLE ?? ATTACH PARTITION ?? ${bounds}`, [parent, name]);
  }
  return kept;
}

/** Runs that were pinned since the list was made, with the runs they have started; found by index. */
async function addLatelyKept(trx: Knex.Transaction, runs: Partition): Promise<void> {
  await trx.raw(
    `INSERT INTO kept_runs
     WITH RECURSIVE late AS (
       SELECT id FROM :table: WHERE is_pinned AND id NOT IN (SELECT id FROM kept_runs)
       UNION
       SELECT child.id FROM :table: child JOIN late ON child.parent_run_id = late.id
     )
     SELECT id, false FROM late ON CONFLICT DO NOTHING`,
    { table: runs.name },
  );
}

async function copyUnsettled(
  trx: Knex.Transaction,
  partitions: readonly Partition[],
  runs: Partition,
): Promise<void> {
  for (const { name, runColumn } of partitions) {
    await trx.raw(
      "INSERT INTO ?? SELECT * FROM ?? WHERE ?? IN (SELECT id FROM kept_runs WHERE NOT is_settled)",
      [stagingOf(name), name, runColumn],
    );
  }
  // the one thing that can change about a run that has ended
  await trx.raw(
    `UPDATE :staging: kept SET is_pinned = run.is_pinned FROM :table: run
     WHERE run.id = kept.id AND run.is_pinned <> kept.is_pinned`,
    { staging: stagingOf(runs.name), table: runs.name },
  );
}

function stagingOf(partition: string): string {
  return `${partition}_kept`;
}
