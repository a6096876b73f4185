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
      const rows: DueRow[] = await knex("step_runs as s")
        .join("workflow_runs as r", "r.id", "s.run_id")
        .whereRaw("s.due_at <= clock_timestamp()")
        .whereNull("r.finished_at")
        .orderBy("s.due_at")
        .limit(MOST_PER_LOOK)
        .select("s.run_id", "s.step_index", "s.item_index", "r.workflow_version_id");
      await Promise.all(rows.map(wake));
    },
  };
}
