import { setTimeout as sleep } from "node:timers/promises";
import type { SafeEvaluator } from "../evaluation-types.js";
import { evaluateKeys } from "./admission-keys.js";
import type { WantedLines } from "./admission-queue.js";
import { isWorkflowPaused, readWaitingWorkflows } from "./admission-statements.js";
import { type AdmissionTurnDeps, createAdmissionTurns } from "./admission-turns.js";
import type { TransitionOutcome } from "./apply-batch.js";
import type { NewRun } from "./flush-batch.js";

/** The dependencies of admission. */
export interface AdmissionDeps extends AdmissionTurnDeps {
  readonly evaluator: Pick<SafeEvaluator, "evaluate">;
}

/** Whoever starts a run waits so long for its turn; the run itself waits on. */
const START_WAIT_MS = 5000;

/**
 * Admission: who of a workflow's runs may begin, by its `concurrency`, its `rateLimit` and whether it is paused.
 * Runs that such a rule concerns are stored held; turns admit them. A run that none concerns costs nothing here.
 */
export function createAdmission(deps: AdmissionDeps) {
  const { knex, engine } = deps;
  const turns = createAdmissionTurns(deps);

  /**
   * A new run with its keys, held if a rule of its workflow concerns it; else as it was given.
   * @param isPaused whether its workflow is paused, where the caller knows.
   * @throws AppError INVALID_FIELDS at `/input` when a key cannot be evaluated.
   */
  async function prepare(run: NewRun, isPaused?: boolean): Promise<NewRun> {
    if (run.workflowId === null) return run;
    const { plan } = await engine.plans.get(run.versionId);
    const keys =
      plan.concurrency || plan.rateLimit ? await evaluateKeys(deps.evaluator, plan, run.input) : undefined;
    if (!keys && !(isPaused ?? (await isWorkflowPaused(knex, run.workflowId)))) return run;
    return { ...run, admission: { ...run.admission, ...keys }, isHeld: true };
  }

  /** Gives a prepared run its chance once it is stored; never fails: the sweep is there for what goes wrong. */
  async function afterCreate(run: NewRun): Promise<void> {
    if (run.isHeld !== true || run.workflowId === null) return;
    if (run.delayMs > 0) return turns.wake(run.workflowId, run.delayMs);
    const turn = turns.want(run.workflowId, linesOf(run.admission ?? {}));
    const limit = new AbortController();
    const timeUp = sleep(START_WAIT_MS, undefined, { signal: limit.signal }).catch(() => undefined);
    await Promise.race([turn, timeUp]);
    limit.abort();
  }

  const stopListening = engine.onRunEnded(({ workflowId, concurrencyKey, rateKey }) => {
    if (workflowId === null || concurrencyKey === null) return;
    const keys = { concurrencyKey, ...(rateKey === null ? {} : { rateKey }) };
    void turns.want(workflowId, linesOf(keys));
  });

  return {
    prepare,
    afterCreate,
    /** Creates a run; resolves when it is committed and has begun, or waits for its turn, or was refused it. */
    async create(run: NewRun, isPaused?: boolean): Promise<TransitionOutcome> {
      const prepared = await prepare(run, isPaused);
      const outcome = await engine.commit.create(prepared);
      // a rerun that takes everything over has nothing left but its outputs
      if (outcome.isClosing) await deps.closeRun(prepared.id, prepared.versionId);
      await afterCreate(prepared);
      return outcome;
    },
    /** Gives all held runs of a workflow their chance, soon; for when one of its rules has gone. */
    nudge(workflowId: string): void {
      void turns.want(workflowId, "all");
    },
    /** Applies what a dead process has decided, and gives every held run its chance. For a leader, every two seconds. */
    async sweep(): Promise<void> {
      await turns.applyLeft();
      const workflowIds = await readWaitingWorkflows(knex);
      await Promise.all(workflowIds.map((workflowId) => turns.want(workflowId, "all")));
    },
    /** Resolves when nothing is under way any more. */
    async close(): Promise<void> {
      stopListening();
      await turns.close();
    },
  };
}

/** See {@link createAdmission}. */
export type Admission = ReturnType<typeof createAdmission>;

/** With both rules any line may want what another has left: all are looked at. */
function linesOf(keys: { concurrencyKey?: string; rateKey?: string }): WantedLines {
  const { concurrencyKey, rateKey } = keys;
  if (concurrencyKey !== undefined && rateKey !== undefined) return "all";
  return [{ concurrencyKey: concurrencyKey ?? "", rateKey: rateKey ?? "" }];
}
