import type { Transition } from "../../src/core/transition.js";
import type { Logger } from "../../src/observability/logger.js";
import type { AuditEntry } from "../../src/services/audit/audit-entry.js";
import type { Engine } from "../../src/services/engine/engine.js";
import type { TransitionOutcome } from "../../src/services/engine/apply-batch.js";
import type { ResultSpool } from "./result-spool.js";
import { retryWhileAway } from "./retry-while-away.js";

/**
 * Applies the end of an execution, again and again while PostgreSQL is out of reach; meanwhile it also lies on this
 * machine's disk. The fence decides whether it still counts.
 * @throws the last error when the database refuses the value itself, or stays away too long.
 */
export async function commitResult(
  deps: { engine: Engine; logger: Logger; spool: ResultSpool },
  runId: string,
  versionId: string,
  transition: Extract<Transition, { token: string }>,
  entry?: AuditEntry,
): Promise<TransitionOutcome> {
  const { engine, logger, spool } = deps;
  let kept: Promise<void> | undefined;
  try {
    return await retryWhileAway(
      {
        logger,
        runId,
        what: "result",
        mayPass: (error) => !isValueRefused(error),
        onAway() {
          kept = spool.keep({ runId, versionId, transition });
        },
      },
      () => engine.commit.apply(runId, versionId, transition, undefined, entry),
    );
  } finally {
    if (kept) {
      await kept;
      await spool.drop(transition.token);
    }
  }
}

/** SQLSTATE class 22 (data) and 54 (limits): trying again cannot help. */
function isValueRefused(error: unknown): boolean {
  const { code } = error as { code?: string };
  return typeof code === "string" && /^(22|54)/.test(code);
}
