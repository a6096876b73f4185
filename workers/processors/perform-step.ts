import type { StepJob } from "../../src/contracts/step-job.js";
import type { JsonObject, JsonValue } from "../../src/core/json.js";
import { inputsAtHand, isEffectless } from "../../src/core/perform-step.js";
import type { PlanStep, RunPlan } from "../../src/core/plan.js";
import type { AtHand } from "../../src/core/transition.js";
import { ExecutionError } from "../../src/executors/types.js";
import { toShownInputs, toStorableOutput } from "../../src/services/artifacts/storable-output.js";
import { type InputResolver, MappingError } from "../../src/services/engine/resolve-inputs.js";

/** The dependencies of performing steps. */
export interface StepPerformerDeps {
  readonly resolver: Pick<InputResolver, "resolveInputs">;
  readonly maxOutputBytes: number;
}

/** What ends in another step's commit is small: a hundred of them may, and all runs of that flush wait for it. */
const MOST_READY_CHARS = 16 * 1024;

/**
 * Works out what steps without effects come to, so that they begin and end in one commit. Undefined for all that
 * has to be claimed and run, and for whatever is out of the ordinary: running it says what is wrong.
 */
export function createStepPerformer({ resolver, maxOutputBytes }: StepPerformerDeps) {
  function toAtHand(values: JsonObject): AtHand | undefined {
    try {
      const { large } = toStorableOutput(values, maxOutputBytes);
      return large === undefined ? { inputs: toShownInputs(values), output: values } : undefined;
    } catch (error) {
      if (error instanceof ExecutionError) return undefined;
      throw error;
    }
  }

  return {
    /** What a queued step comes to. */
    async ofQueued(
      { runId, itemIndex }: StepJob,
      plan: RunPlan,
      step: PlanStep,
    ): Promise<AtHand | undefined> {
      if (!isEffectless(step)) return undefined;
      try {
        return toAtHand((await resolver.resolveInputs(runId, plan, step, itemIndex)).values);
      } catch (error) {
        if (error instanceof MappingError) return undefined;
        throw error;
      }
    },
    /** What a step comes to that has just become ready, by the outputs that are at hand. */
    ofReady(
      plan: RunPlan,
      step: PlanStep,
      outputOf: (stepIndex: number) => JsonValue | undefined,
    ): AtHand | undefined {
      if (!isEffectless(step)) return undefined;
      const values = inputsAtHand(plan, step, outputOf);
      if (!values || JSON.stringify(values).length > MOST_READY_CHARS) return undefined;
      return toAtHand(values);
    },
  };
}

/** See {@link createStepPerformer}. */
export type StepPerformer = ReturnType<typeof createStepPerformer>;
