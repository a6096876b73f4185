import type { Knex } from "knex";
import type { Engine } from "../engine/engine.js";
import type { OutcomeFollower } from "../engine/follow-outcome.js";

const MOST_PER_LOOK = 200;

interface LostRow {
  readonly id: string;
  readonly run_id: string;
  readonly step_index: number;
  readonly item_index: number;
  readonly workflow_version_id: string;
  readonly lease_token: string;
}

/** The dependencies of looking for lost apps. */
export interface LostAppsDeps {
  readonly knex: Knex;
  readonly engine: Engine;
  readonly followOutcome: OutcomeFollower;
}

/**
 * Apps whose worker has not reported them within their lease have failed with it. A step that waits for one goes back
 * to the queue, as the steps of a dead worker do, and starts another. For one leader; twice does no harm.
 */
export async function failLostApps(deps: LostAppsDeps): Promise<void> {
  const lost: LostRow[] = await deps
    .knex("apps")
    .whereIn("status", ["starting", "running"])
    .whereRaw("lease_until < now()")
    .limit(MOST_PER_LOOK)
    .select("id", "run_id", "step_index", "item_index", "workflow_version_id", "lease_token");
  const results = await Promise.allSettled(lost.map(async (row) => await failLostApp(deps, row)));
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

async function failLostApp({ knex, engine, followOutcome }: LostAppsDeps, row: LostRow): Promise<void> {
  const { run_id: runId, workflow_version_id: versionId } = row;
  const key = { stepIndex: row.step_index, itemIndex: row.item_index };
  // refused where the step has ended, or has been given to another
  const outcome = await engine.commit.apply(runId, versionId, {
    kind: "lose",
    ...key,
    token: row.lease_token,
  });
  await followOutcome(runId, versionId, outcome);
  await knex("apps")
    .where("id", row.id)
    .whereIn("status", ["starting", "running"])
    .whereRaw("lease_until < now()")
    .update({
      status: "failed",
      reason: "The worker that ran it is gone",
      stopped_at: knex.fn.now(),
      updated_at: knex.fn.now(),
    });
}
