import type { Logger } from "../src/observability/logger.js";
import type { Engine } from "../src/services/engine/engine.js";
import type { WorkerRegistry } from "../src/services/engine/worker-registry.js";
import type { ExecutionRegistry } from "./execution/execution-registry.js";

/** The dependencies of a heartbeat. */
export interface HeartbeatDeps {
  readonly registry: WorkerRegistry;
  readonly executions: ExecutionRegistry;
  readonly engine: Engine;
  readonly logger: Logger;
}

/**
 * One heartbeat: keeps the worker's lease and makes its executions and PostgreSQL's view of them agree. What is no
 * longer this worker's is ended (it was canceled, or given to another after a long pause); what PostgreSQL has as
 * this worker's, but does not run here, is given back.
 */
export async function beat({ registry, executions, engine, logger }: HeartbeatDeps): Promise<void> {
  const claimed = executions.claimedTokens();
  const owned = await registry.beat(executions.count());
  const ownedTokens = new Set(owned.map((execution) => execution.token));
  executions.stopTokens(claimed.filter((token) => !ownedTokens.has(token)));
  const orphans = owned.filter((execution) => !executions.has(execution.token));
  for (const { runId, versionId, stepIndex, itemIndex, token } of orphans) {
    // refused when its result was committed since the look: then it was no orphan
    const outcome = await engine.commit.apply(runId, versionId, {
      kind: "release",
      stepIndex,
      itemIndex,
      token,
    });
    if (!outcome.refusal) logger.warn({ runId, stepIndex }, "gave back a step that did not run here");
  }
}
