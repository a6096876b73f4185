import type { Knex } from "knex";
import type { Metrics } from "../../observability/metrics.js";
import type { Engine } from "./engine.js";
import type { OutcomeFollower } from "./follow-outcome.js";

/** The dependencies of the timers. */
export interface TimerDeps {
  readonly knex: Knex;
  readonly engine: Engine;
  readonly followOutcome: OutcomeFollower;
  readonly metrics: Metrics;
}

/** Most steps that one look wakes. */
const MOST_PER_LOOK = 500;

interface DueRow {
  readonly run_id: string;
  readonly step_index: number;
  readonly item_index: number;
  readonly workflow_version_id: string;
}

/**
 * Wakes steps whose time has come by the database's clock: waits that are over, approvals that expire, sub-workflows
 * that take too long. They hold no job and no worker meanwhile, so nothing is lost with either. For one leader.
 */
export function createTimers({ knex, engine, followOutcome, metrics }: TimerDeps) {
  async function wake(row: DueRow): Promise<void> {
    const { run_id: runId, workflow_version_id: versionId } = row;
    const key = { stepIndex: row.step_index, itemIndex: row.item_index };
    const outcome = await engine.commit.apply(runId, versionId, { kind: "wake", ...key });
    if (!outcome.refusal) metrics.reconciledTotal.inc({ kind: "woken" });
    await followOutcome(runId, versionId, outcome);
  }

  return {
    /** Wakes all that is due. */
    async wakeDue(): Promise<void> {
      // by itself: most looks find nothing, and the join is what would take time to plan
      const due: Omit<DueRow, "workflow_version_id">[] = await knex("step_runs")
        .whereRaw("due_at <= clock_timestamp()")
        .orderBy("due_at")
        .limit(MOST_PER_LOOK)
        .select("run_id", "step_index", "item_index");
      if (due.length === 0) return;
      const runs: { id: string; workflow_version_id: string }[] = await knex("workflow_runs")
        .whereIn(
          "id",
          due.map((row) => row.run_id),
        )
        .select("id", "workflow_version_id");
      const versions = new Map(runs.map((run) => [run.id, run.workflow_version_id]));
      await Promise.all(
        due.map(async (row) => {
          const workflow_version_id = versions.get(row.run_id);
          if (workflow_version_id !== undefined) await wake({ ...row, workflow_version_id });
        }),
      );
    },
  };
}
