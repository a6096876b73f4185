import type { StepJob } from "../../src/contracts/step-job.js";
import { newId } from "../../src/core/ids.js";
import type { PlanStep, RunPlan } from "../../src/core/plan.js";
import type { RunError } from "../../src/core/statuses.js";
import { toStorableText } from "../../src/core/storable-text.js";
import type { Hold, Transition } from "../../src/core/transition.js";
import { AppError } from "../../src/errors/app-error.js";
import { ExecutionError } from "../../src/executors/types.js";
import { isUnstorableValue } from "../../src/services/database-conflicts.js";
import { toShownInputs } from "../../src/services/artifacts/storable-output.js";
import type { Admission } from "../../src/services/engine/admission.js";
import type { TransitionOutcome } from "../../src/services/engine/apply-batch.js";
import type { RunCaller } from "../../src/services/engine/call-run.js";
import type { Engine } from "../../src/services/engine/engine.js";
import type { NewRun } from "../../src/services/engine/flush-batch.js";
import { type InputResolver, MappingError } from "../../src/services/engine/resolve-inputs.js";
import { toApproval, toWait } from "./begin-builtin.js";

/** The dependencies of beginning steps. */
export interface StepBeginnerDeps {
  readonly engine: Engine;
  readonly resolver: InputResolver;
  readonly prepareCall: RunCaller;
  readonly admission: Pick<Admission, "prepare" | "afterCreate">;
}

/**
 * Begins what needs no worker to run it: a step whose `when` is false, a `forEach` that becomes its items, a wait, an
 * approval, a run of another workflow. Each is one transition of the queued step; nothing stays with the worker.
 */
export function createStepBeginner({ engine, resolver, prepareCall, admission }: StepBeginnerDeps) {
  async function toTransition(
    job: StepJob,
    plan: RunPlan,
    step: PlanStep,
  ): Promise<{ transition: Transition; child?: NewRun } | undefined> {
    const { stepIndex, itemIndex, attempt, runId } = job;
    const key = { stepIndex, itemIndex, attempt };
    const isWhole = itemIndex < 0;
    if (isWhole && step.when !== undefined && !(await resolver.isWanted(runId, plan, step)))
      return { transition: { kind: "skip", ...key } };
    if (isWhole && step.forEach !== undefined)
      return {
        transition: { kind: "expand", ...key, items: await resolver.resolveItems(runId, plan, step) },
      };
    const { target } = step;
    if (target.kind === "builtin" && (target.name === "wait" || target.name === "approval")) {
      const { values, shown } = await resolver.resolveInputs(runId, plan, step, itemIndex);
      const inputs = toShownInputs(shown);
      const hold: Hold = target.name === "wait" ? toWait(values, inputs) : toApproval(values, inputs);
      return { transition: { kind: "hold", ...key, hold } };
    }
    if (target.kind !== "workflow") return undefined;
    const { values, shown, secretValues } = await resolver.resolveInputs(runId, plan, step, itemIndex);
    // refused when a workflow is stored; versions from before that rule are not
    if (secretValues.length > 0)
      throw new MappingError("a secret cannot be the input of a run: it would be shown");
    const childRunId = newId();
    const called = await prepareCall({ runId, stepIndex, itemIndex }, target, childRunId, values);
    const child = await admission.prepare(called);
    const { timeoutSeconds } = step;
    const inputs = toShownInputs(shown);
    return { transition: { kind: "call", ...key, childRunId, inputs, timeoutSeconds }, child };
  }

  /**
   * What became of a step that needs no worker; undefined when the step is to be claimed and run.
   * Faults of its mappings fail it.
   */
  return async function beginStep(
    job: StepJob,
    plan: RunPlan,
    step: PlanStep,
  ): Promise<TransitionOutcome | undefined> {
    const { stepIndex, itemIndex, attempt } = job;
    try {
      const begin = await toTransition(job, plan, step);
      if (!begin) return undefined;
      const outcome = await engine.commit.apply(job.runId, job.versionId, begin.transition, begin.child);
      if (begin.child && !outcome.refusal) await admission.afterCreate(begin.child);
      return outcome;
    } catch (error) {
      const fault = toFault(error);
      if (!fault) throw error;
      const transition = { kind: "failQueued", stepIndex, itemIndex, attempt, error: fault } as const;
      return await engine.commit.apply(job.runId, job.versionId, transition);
    }
  };
}

/** What users are told of their fault; undefined for one of ours. Nothing but this would ever end the step. */
function toFault(error: unknown): RunError | undefined {
  if (isUnstorableValue(error)) {
    const message = "The step's inputs hold NUL or half a character, or are too large";
    return { code: "invalid_input", message };
  }
  const isOfUser =
    error instanceof MappingError || error instanceof ExecutionError || error instanceof AppError;
  if (!isOfUser) return undefined;
  const details = error instanceof ExecutionError ? error.details : undefined;
  return { code: "invalid_input", message: toStorableText(error.message), ...(details && { details }) };
}

/** See {@link createStepBeginner}. */
export type StepBeginner = ReturnType<typeof createStepBeginner>;
