import type { Knex } from "knex";
import { firstIdAt } from "../../core/ids.js";
import type { ArtifactFiles } from "../artifacts/artifact-files.js";
import { RUN_TABLES } from "./drop-month.js";

const RUNS_PER_DELETE = 500;
const ROWS_PER_DELETE = 5000;
const ARTIFACTS_PER_DELETE = 1000;
const OPERATIONS_PER_DELETE = 20;
const FILES_PER_LOOK = 100;

/** The smallest run id that is not yet `days` old, by the database's clock. */
export async function firstIdToKeep(knex: Knex, days: number): Promise<string> {
  const { rows } = await knex.raw("SELECT now() - make_interval(days => ?) AS cutoff", [days]);
  return firstIdAt(rows[0].cutoff as Date);
}

/**
 * Rows of the default partitions, which cannot be dropped: runs whose id names a month that had no partition, and
 * what is left of runs that have gone. Seldom any, so they are deleted, a few at a time.
 */
export async function emptyDefaultPartitions(
  knex: Knex,
  days: number,
  firstKept: string,
  signal: AbortSignal,
): Promise<void> {
  await repeat(signal, async () => {
    const { rowCount } = await knex.raw(
      `DELETE FROM workflow_runs_default WHERE id IN (
         SELECT id FROM workflow_runs_default
         WHERE id < ? AND NOT is_pinned AND finished_at <= now() - make_interval(days => ?)
         ORDER BY id LIMIT ${RUNS_PER_DELETE})`,
      [firstKept, days],
    );
    return rowCount as number;
  });
  for (const { name } of RUN_TABLES.filter((table) => table.name !== "workflow_runs")) {
    await repeat(signal, async () => {
      const { rowCount } = await knex.raw(
        `DELETE FROM :table: WHERE ctid = ANY (ARRAY(
           SELECT row.ctid FROM :table: row
           WHERE row.run_id < :firstKept AND NOT EXISTS (SELECT 1 FROM workflow_runs run WHERE run.id = row.run_id)
           LIMIT ${ROWS_PER_DELETE}))`,
        { table: `${name}_default`, firstKept },
      );
      return rowCount as number;
    });
  }
}

/** Cached results of runs that have gone: files that they may name have gone with the run. */
export async function forgetCachedResults(knex: Knex, firstKept: string): Promise<void> {
  await knex.raw(
    `DELETE FROM step_cache cached
     WHERE cached.from_run_id < ? AND NOT EXISTS (SELECT 1 FROM workflow_runs run WHERE run.id = cached.from_run_id)`,
    [firstKept],
  );
}

/**
 * Artifacts of runs that have gone, unless a run that is left has one as its output (a rerun that reused it). Their
 * files are noted for removal in the same transaction. @returns how many went
 */
export async function removeArtifacts(knex: Knex, firstKept: string, signal: AbortSignal): Promise<number> {
  return await repeat(signal, async () => {
    const { rows } = await knex.raw(
      `WITH gone AS (
         SELECT artifact.id FROM artifacts artifact
         WHERE artifact.run_id < ?
           AND NOT EXISTS (SELECT 1 FROM workflow_runs run WHERE run.id = artifact.run_id)
           AND NOT EXISTS (SELECT 1 FROM workflow_runs run WHERE run.output_artifact_id = artifact.id)
           AND NOT EXISTS (SELECT 1 FROM step_runs step WHERE step.output_artifact_id = artifact.id)
         ORDER BY artifact.run_id LIMIT ${ARTIFACTS_PER_DELETE}
       ), removed AS (
         DELETE FROM artifacts WHERE id IN (SELECT id FROM gone) RETURNING sha256
       ), noted AS (
         INSERT INTO artifact_removals (sha256) SELECT DISTINCT sha256 FROM removed
         ON CONFLICT (sha256) DO UPDATE SET due_at = now()
       )
       SELECT count(*) AS removed FROM removed`,
      [firstKept],
    );
    return rows[0].removed as number;
  });
}

/** Removes noted files that no artifact names any more. Those just stored again wait a day. @returns how many went */
export async function removeFiles(knex: Knex, files: ArtifactFiles, signal: AbortSignal): Promise<number> {
  let removed = 0;
  await repeat(signal, async () => {
    const due = (await knex("artifact_removals")
      .select("sha256")
      .whereRaw("due_at <= now()")
      .orderBy("due_at")
      .limit(FILES_PER_LOOK)) as { sha256: string }[];
    for (const { sha256 } of due) if (await removeFile(knex, files, sha256)) removed += 1;
    return due.length;
  });
  return removed;
}

async function removeFile(knex: Knex, files: ArtifactFiles, sha256: string): Promise<boolean> {
  const isInUse = async () => (await knex("artifacts").first("id").where("sha256", sha256)) !== undefined;
  const noted = knex("artifact_removals").where("sha256", sha256);
  if (await files.remove(sha256, isInUse)) {
    await noted.delete();
    return true;
  }
  // an artifact that names it will note it again when it goes
  if (await isInUse()) await noted.delete();
  else await noted.update({ due_at: knex.raw("now() + interval '1 day'") });
  return false;
}

/** Bulk operations that ended before the limit, with their items. */
export async function removeBulkOperations(knex: Knex, days: number, signal: AbortSignal): Promise<void> {
  await repeat(signal, async () => {
    const { rowCount } = await knex.raw(
      `DELETE FROM bulk_operations WHERE id IN (
         SELECT id FROM bulk_operations WHERE finished_at <= now() - make_interval(days => ?)
         ORDER BY finished_at LIMIT ${OPERATIONS_PER_DELETE})`,
      [days],
    );
    return rowCount as number;
  });
}

/** Repeats small pieces of work until one finds nothing to do. @returns the sum. @throws when the signal is aborted */
async function repeat(signal: AbortSignal, work: () => Promise<number>): Promise<number> {
  let sum = 0;
  for (;;) {
    signal.throwIfAborted();
    const done = await work();
    sum += done;
    if (done === 0) return sum;
  }
}
