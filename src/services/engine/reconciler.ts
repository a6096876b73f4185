import type { Knex } from "knex";
import type { StepJob } from "../../contracts/step-job.js";
import type { Logger } from "../../observability/logger.js";
import type { Metrics } from "../../observability/metrics.js";
import type { RunQueue } from "../../queues/run-queue.js";
import type { Engine } from "./engine.js";
import { ageSteps } from "./age-steps.js";
import { applyAll, type KeyRow, keyOf, MOST_PER_LOOK } from "./apply-all.js";
import type { OutcomeFollower } from "./follow-outcome.js";
import { judgeSuspects, returnLostSteps } from "./lost-steps.js";
import type { RunCloser } from "./run-closer.js";
import type { StepLanes } from "./step-lanes.js";
import type { SubRuns } from "./sub-runs.js";

/** A step that is queued this long is asked after: its job should be on the queue. */
const ASK_AFTER_SECONDS = 8;

/** The dependencies of the reconciler. */
export interface ReconcilerDeps {
  readonly knex: Knex;
  readonly engine: Engine;
  readonly runQueue: RunQueue;
  readonly closeRun: RunCloser;
  readonly followOutcome: OutcomeFollower;
  readonly subRuns: SubRuns;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/**
 * Mends what a crash, a lost queue or a dead worker left behind. Every part is idempotent and never touches
 * a run that has ended; it is run by one leader, but two at once would do no harm.
 */
export function createReconciler(deps: ReconcilerDeps) {
  return {
    /** One look at everything. Each part is tried even when another fails; rejects with the first failure. */
    async reconcile(): Promise<void> {
      const parts = [
        returnLostSteps,
        judgeSuspects,
        dispatchMissing,
        failOverdueSteps,
        expireRuns,
        joinForgotten,
        closeForgotten,
        () => deps.subRuns.mend(),
        ageSteps,
      ];
      const results = [];
      for (const part of parts) results.push(...(await Promise.allSettled([part(deps)])));
      const failed = results.find((result) => result.status === "rejected");
      if (failed) throw failed.reason;
    },
    /** What need not happen often: partitions of the months to come, keys, workers and parent jobs long gone. */
    async tidy(): Promise<void> {
      const { knex, runQueue } = deps;
      await runQueue.removeStrandedRuns();
      await knex.raw("SELECT create_run_partitions(now(), 3)");
      await knex("idempotency_keys").whereRaw("expires_at < now()").delete();
      await knex("workers").whereRaw("lease_until < now() - interval '1 hour'").delete();
    },
  };
}

/** What was committed but is not on the queue is dispatched again. */
async function dispatchMissing({ knex, engine, runQueue, metrics, logger }: ReconcilerDeps): Promise<void> {
  const rows: QueuedRow[] = await knex("step_runs as s")
    .join("workflow_runs as r", "r.id", "s.run_id")
    .where("s.status", "queued")
    .whereRaw("s.available_at < now() - make_interval(secs => ?)", [ASK_AFTER_SECONDS])
    .whereRaw("(s.checked_at IS NULL OR s.checked_at < now() - make_interval(secs => ?))", [
      ASK_AFTER_SECONDS,
    ])
    .orderBy("s.available_at")
    .limit(MOST_PER_LOOK)
    .select(
      "s.run_id",
      "s.step_index",
      "s.item_index",
      "s.step_id",
      "s.attempt",
      "s.lost_count",
      "s.worker_group",
      "s.priority",
    )
    .select("r.workflow_version_id", "r.flow", "r.workflow_id", "r.concurrency_key", "r.rate_key");
  if (rows.length === 0) return;
  const missing = await runQueue.findMissing(
    rows.map((row) => ({ job: toJob(row), workerGroup: row.worker_group })),
  );
  const missingIds = new Set(missing.map(jobKey));
  const lost = rows.filter((row) => missingIds.has(jobKey(toJob(row))));
  if (lost.length > 0) {
    await runQueue.enqueueRuns(lost.map((row) => toDispatch(row, engine.lanes)));
    metrics.reconciledTotal.inc({ kind: "dispatched" }, lost.length);
    logger.info({ steps: lost.length }, "dispatched again what the queue did not hold");
  }
  await markChecked(knex, rows);
}

async function markChecked(knex: Knex, rows: readonly QueuedRow[]): Promise<void> {
  await knex.raw(
    `UPDATE step_runs s SET checked_at = now()
     FROM unnest(?::uuid[], ?::int[], ?::int[]) AS u (run_id, step_index, item_index)
     WHERE s.run_id = u.run_id AND s.step_index = u.step_index AND s.item_index = u.item_index AND s.status = 'queued'`,
    [rows.map((row) => row.run_id), rows.map((row) => row.step_index), rows.map((row) => row.item_index)],
  );
}

/** Attempts that waited longer for a worker than the step allows. */
async function failOverdueSteps(deps: ReconcilerDeps): Promise<void> {
  const rows = await deps
    .knex("step_runs as s")
    .join("workflow_runs as r", "r.id", "s.run_id")
    .where("s.status", "queued")
    .whereNotNull("s.queue_timeout_seconds")
    .whereRaw("s.available_at + make_interval(secs => s.queue_timeout_seconds) < now()")
    .limit(MOST_PER_LOOK)
    .select(
      "s.run_id",
      "s.step_index",
      "s.item_index",
      "s.attempt",
      "s.queue_timeout_seconds",
      "r.workflow_version_id",
    );
  await applyAll(deps, "queue_timeout", rows, (row) => ({
    kind: "failQueued",
    ...keyOf(row),
    attempt: row.attempt ?? 0,
    error: {
      code: "timeout",
      message: `No worker took the step within ${row.queue_timeout_seconds} seconds`,
    },
  }));
}

/** Runs past their deadline. */
async function expireRuns(deps: ReconcilerDeps): Promise<void> {
  const rows = await deps
    .knex("workflow_runs")
    .whereNull("finished_at")
    .whereRaw("deadline_at < now()")
    .limit(MOST_PER_LOOK)
    .select("id as run_id", "workflow_version_id", "ending");
  await applyAll(deps, "run_timeout", rows, (row) => ({
    kind: "expire",
    ifEnding: row.ending,
    error: { code: "timeout", message: "The run took longer than its timeoutSeconds" },
  }));
}

/** A `forEach` whose items have all ended while nobody lived to join them. */
async function joinForgotten({ knex, followOutcome, metrics }: ReconcilerDeps): Promise<void> {
  const rows = await knex("step_runs as s")
    .join("workflow_runs as r", "r.id", "s.run_id")
    .where("s.status", "running")
    .whereRaw("s.items_ended = s.items_total")
    .limit(MOST_PER_LOOK)
    .select("s.run_id", "s.step_index", "r.workflow_version_id", "r.status");
  for (const row of rows) {
    const { status, step_index: joining } = row;
    await followOutcome(row.run_id, row.workflow_version_id, { status, isClosing: false, joining });
    metrics.reconciledTotal.inc({ kind: "joined" });
  }
}

/** Runs whose steps have all ended while nobody lived to close them. */
async function closeForgotten({ knex, closeRun, metrics }: ReconcilerDeps): Promise<void> {
  const rows = await knex("workflow_runs")
    .whereIn("status", ["queued", "running", "waiting"])
    .whereRaw("step_states !~ '[pqrw]'")
    .limit(MOST_PER_LOOK)
    .select("id", "workflow_version_id");
  for (const row of rows) {
    await closeRun(row.id, row.workflow_version_id);
    metrics.reconciledTotal.inc({ kind: "closed" });
  }
}

interface QueuedRow extends Required<KeyRow> {
  readonly step_id: string;
  readonly attempt: number;
  readonly lost_count: number;
  readonly worker_group: string;
  readonly priority: number;
  readonly flow: number;
  readonly workflow_id: string | null;
  readonly concurrency_key: string | null;
  readonly rate_key: string | null;
}

function toJob(row: QueuedRow): StepJob {
  const { run_id, workflow_version_id, step_index, step_id, item_index, attempt } = row;
  return {
    runId: run_id,
    versionId: workflow_version_id,
    stepIndex: step_index,
    stepId: step_id,
    itemIndex: item_index,
    attempt,
    ...(row.lost_count > 0 && { lostCount: row.lost_count }),
  };
}

function jobKey(job: StepJob): string {
  return `${job.runId}/${job.stepIndex}/${job.itemIndex}/${job.attempt}`;
}

function toDispatch(row: QueuedRow, lanes: StepLanes) {
  const lane = {
    workflowId: row.workflow_id,
    versionId: row.workflow_version_id,
    concurrencyKey: row.concurrency_key,
    rateKey: row.rate_key,
  };
  const [rank = 0] = lanes.ranks(lane, [row.worker_group]);
  return {
    runId: row.run_id,
    flow: row.flow,
    isFirst: false,
    isSingleStep: false,
    steps: [{ job: toJob(row), workerGroup: row.worker_group, priority: row.priority, rank, delayMs: 0 }],
  };
}
