import type { TransitionOutcome } from "./apply-batch.js";
import type { ItemJoiner } from "./join-items.js";
import type { RunCloser } from "./run-closer.js";

/** Does what a committed transition asks for: joins a `forEach`, closes a run. The reconciler does what was not done. */
export function createOutcomeFollower(deps: { joinItems: ItemJoiner; closeRun: RunCloser }) {
  return async function followOutcome(
    runId: string,
    versionId: string,
    outcome: TransitionOutcome,
  ): Promise<void> {
    if (outcome.joining !== undefined) {
      const joined = await deps.joinItems(runId, versionId, outcome.joining);
      return await followOutcome(runId, versionId, joined);
    }
    if (outcome.isClosing) await deps.closeRun(runId, versionId);
  };
}

/** See {@link createOutcomeFollower}. */
export type OutcomeFollower = ReturnType<typeof createOutcomeFollower>;
