import type { Knex } from "knex";
import type { StepJob } from "../../contracts/step-job.js";
import type { Metrics } from "../../observability/metrics.js";
import type { RunQueue } from "../../queues/run-queue.js";

/** After so long in a backlog a step comes among the plain ones; after so long there, to the head. */
const AGED_AFTER_SECONDS = 30;
const URGENT_AFTER_SECONDS = 120;
/** Aged steps of one lane that may wait at once. */
const MOST_OF_LANE = 4;
const MOST_AT_ONCE = 200;
/** The oldest that are looked at. */
const MOST_LOOKED_AT = 5000;

interface AgedRow {
  readonly run_id: string;
  readonly step_index: number;
  readonly item_index: number;
  readonly step_id: string;
  readonly attempt: number;
  readonly worker_group: string;
  readonly workflow_version_id: string;
  readonly is_urgent: boolean;
}

/**
 * Moves the longest waiting steps of each lane forward on their queue: first out of the backlog, then, if that
 * did not help, to the head. For a leader, every two seconds; twice at once does no harm.
 * @returns how many were moved.
 */
export async function ageSteps(
  deps: { readonly knex: Knex; readonly runQueue: RunQueue; readonly metrics: Metrics },
  afterSeconds: { readonly aged: number; readonly urgent: number } = {
    aged: AGED_AFTER_SECONDS,
    urgent: URGENT_AFTER_SECONDS,
  },
): Promise<number> {
  const { knex, runQueue, metrics } = deps;
  const rows = await readAged(knex, afterSeconds);
  if (rows.length === 0) return 0;
  const steps = (isUrgent: boolean) =>
    rows
      .filter((row) => row.is_urgent === isUrgent)
      .map((row) => ({ job: toJob(row), workerGroup: row.worker_group }));
  await runQueue.hasten(steps(false), "plain");
  await runQueue.hasten(steps(true), "head");
  await knex.raw(
    `UPDATE step_runs s SET aged_at = now()
     FROM unnest(?::uuid[], ?::int[], ?::int[], ?::int[]) AS u (run_id, step_index, item_index, attempt)
     WHERE s.run_id = u.run_id AND s.step_index = u.step_index AND s.item_index = u.item_index
       AND s.attempt = u.attempt AND s.status = 'queued'`,
    [
      rows.map((row) => row.run_id),
      rows.map((row) => row.step_index),
      rows.map((row) => row.item_index),
      rows.map((row) => row.attempt),
    ],
  );
  metrics.reconciledTotal.inc({ kind: "aged" }, rows.length);
  return rows.length;
}

/** The first few of each lane, those that are on their way already before others. */
async function readAged(knex: Knex, after: { aged: number; urgent: number }): Promise<AgedRow[]> {
  return await knex.transaction(async (trx) => {
    await trx.raw("SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)");
    const { rows } = await trx.raw<{ rows: AgedRow[] }>(
      `SELECT run_id, step_index, item_index, step_id, attempt, worker_group, workflow_version_id,
         aged_at IS NOT NULL AS is_urgent
       FROM (
         SELECT s.*, r.workflow_version_id, row_number() OVER (
           PARTITION BY s.worker_group, coalesce(r.workflow_id, r.workflow_version_id), r.concurrency_key, r.rate_key
           ORDER BY s.aged_at NULLS LAST, s.available_at) AS turn
         FROM (
           SELECT run_id, step_index, item_index, step_id, attempt, worker_group, available_at, aged_at FROM step_runs
           WHERE status = 'queued' AND available_at < now() - make_interval(secs => :aged)
           ORDER BY available_at LIMIT :looked
         ) AS s
         JOIN workflow_runs r ON r.id = s.run_id
       ) AS waiting
       WHERE turn <= :most AND (aged_at IS NULL OR aged_at < now() - make_interval(secs => :urgent))
       ORDER BY available_at LIMIT :atOnce`,
      { ...after, looked: MOST_LOOKED_AT, most: MOST_OF_LANE, atOnce: MOST_AT_ONCE },
    );
    return rows;
  });
}

function toJob(row: AgedRow): StepJob {
  return {
    runId: row.run_id,
    versionId: row.workflow_version_id,
    stepIndex: row.step_index,
    stepId: row.step_id,
    itemIndex: row.item_index,
    attempt: row.attempt,
  };
}
