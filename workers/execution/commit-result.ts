import { setTimeout as sleep } from "node:timers/promises";
import type { Transition } from "../../src/core/transition.js";
import type { Logger } from "../../src/observability/logger.js";
import type { Engine } from "../../src/services/engine/engine.js";
import type { TransitionOutcome } from "../../src/services/engine/apply-batch.js";

/** How long a result is kept while the database is away; by then the step has long been given to another. */
const GIVE_UP_AFTER_MS = 10 * 60_000;
const LONGEST_PAUSE_MS = 3000;

/**
 * Applies the end of an execution, again and again while PostgreSQL is out of reach: a result that took an
 * hour to make is not dropped for a restart of the database. The fence decides whether it still counts.
 * @throws the last error when the database refuses the value itself, or stays away too long.
 */
export async function commitResult(
  deps: { engine: Engine; logger: Logger },
  runId: string,
  versionId: string,
  transition: Transition,
): Promise<TransitionOutcome> {
  const deadline = Date.now() + GIVE_UP_AFTER_MS;
  for (let tries = 1; ; tries += 1) {
    try {
      return await deps.engine.commit.apply(runId, versionId, transition);
    } catch (error) {
      if (isValueRefused(error) || Date.now() > deadline) throw error;
      deps.logger.warn({ err: error, runId, tries }, "result not committed, trying again");
      await sleep(Math.min(100 * 2 ** tries, LONGEST_PAUSE_MS));
    }
  }
}

/** SQLSTATE class 22 (data) and 54 (limits): trying again cannot help. */
function isValueRefused(error: unknown): boolean {
  const { code } = error as { code?: string };
  return typeof code === "string" && /^(22|54)/.test(code);
}
