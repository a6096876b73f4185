import type { Knex } from "knex";
import type { JsonValue } from "../../core/json.js";
import { isRunTerminal, type RunError, type RunStatus } from "../../core/statuses.js";
import type { Logger } from "../../observability/logger.js";
import type { CommittedRun } from "./apply-batch.js";
import type { Engine } from "./engine.js";
import type { OutcomeFollower } from "./follow-outcome.js";

/** The dependencies of the link between runs and the runs that they call. */
export interface SubRunDeps {
  readonly knex: Knex;
  readonly engine: Engine;
  readonly followOutcome: OutcomeFollower;
  readonly logger: Logger;
}

/** Most links that one look mends. */
const MOST_PER_LOOK = 500;

interface ReturnRow {
  readonly id: string;
  readonly status: RunStatus;
  readonly output: JsonValue;
  readonly error: RunError | null;
  readonly parent_run_id: string;
  readonly parent_step_index: number;
  readonly parent_item_index: number;
  readonly parent_version_id: string;
}

/**
 * Carries the end of a run to the step that called it, and the stop of a run to the runs that it has called. At once in
 * the process that committed it; `mend` finds what a crash has left.
 */
export function createSubRuns({ knex, engine, followOutcome, logger }: SubRunDeps) {
  const underWay = new Set<Promise<void>>();

  async function returnTo(row: ReturnRow): Promise<void> {
    const outcome = await engine.commit.apply(row.parent_run_id, row.parent_version_id, {
      kind: "return",
      stepIndex: row.parent_step_index,
      itemIndex: row.parent_item_index,
      childRunId: row.id,
      status: row.status,
      output: row.output ?? null,
      error: row.error,
    });
    await followOutcome(row.parent_run_id, row.parent_version_id, outcome);
  }

  async function cancel(row: { id: string; workflow_version_id: string }): Promise<void> {
    const reason = "The step that started the run has ended";
    const stop = { kind: "cancel", reason, ifEnding: null } as const;
    await engine.commit.apply(row.id, row.workflow_version_id, stop);
  }

  async function follow(run: CommittedRun): Promise<void> {
    if (run.parent && isRunTerminal(run.status)) {
      const rows: ReturnRow[] = await selectEnded(knex)
        .where({ "s.run_id": run.parent.runId, "s.step_index": run.parent.stepIndex })
        .where("c.id", run.runId);
      for (const row of rows) await returnTo(row);
    }
    if (!mayCall(run)) return;
    const children = await knex("workflow_runs")
      .select("id", "workflow_version_id")
      .where("parent_run_id", run.runId)
      .whereNull("finished_at")
      .whereNull("ending");
    for (const child of children) await cancel(child);
  }

  const stop = engine.onCommitted((run) => {
    if (!(run.parent && isRunTerminal(run.status)) && !mayCall(run)) return;
    const work = follow(run)
      .catch((error: unknown) => logger.warn({ err: error, runId: run.runId }, "left to the reconciler"))
      .finally(() => underWay.delete(work));
    underWay.add(work);
  });

  return {
    /** Ends that were not carried on, and runs whose caller does not wait for them any more. */
    async mend(): Promise<void> {
      const ended: ReturnRow[] = await selectEnded(knex).limit(MOST_PER_LOOK);
      for (const row of ended) await returnTo(row);
      const orphans = await findOrphans(knex);
      for (const row of orphans) await cancel(row);
    },
    /** Stops listening and lets what is under way end. */
    async close(): Promise<void> {
      stop();
      await Promise.allSettled(underWay);
    },
  };
}

/** See {@link createSubRuns}. */
export type SubRuns = ReturnType<typeof createSubRuns>;

/** Whether a commit may have left runs that its steps have called without anyone who waits for them. */
function mayCall(run: CommittedRun): boolean {
  const isOver = run.isStopped || isRunTerminal(run.status);
  return isOver && run.plan.steps.some((step) => step.target.kind === "workflow");
}

/** Runs that have ended while a step waits for them. */
function selectEnded(knex: Knex) {
  // from the steps that wait: few, however many runs there have been
  return knex("step_runs as s")
    .join("workflow_runs as c", "c.id", "s.child_run_id")
    .join("workflow_runs as p", "p.id", "s.run_id")
    .where("s.status", "running")
    .whereNotNull("c.finished_at")
    .select("c.id", "c.status", "c.output", "c.error", "s.run_id as parent_run_id")
    .select("s.step_index as parent_step_index", "s.item_index as parent_item_index")
    .select("p.workflow_version_id as parent_version_id");
}

/** Runs under way whose step does not wait for them any more. */
async function findOrphans(knex: Knex): Promise<{ id: string; workflow_version_id: string }[]> {
  return await knex("workflow_runs as c")
    .join("step_runs as s", (join) =>
      join
        .on("s.run_id", "c.parent_run_id")
        .andOn("s.step_index", "c.parent_step_index")
        .andOn("s.item_index", "c.parent_item_index"),
    )
    .whereNotNull("c.parent_run_id")
    .whereIn("c.status", ["queued", "running", "waiting"])
    .whereNull("c.ending")
    .whereRaw("(s.child_run_id IS DISTINCT FROM c.id OR s.status <> 'running')")
    .limit(MOST_PER_LOOK)
    .select("c.id", "c.workflow_version_id");
}
