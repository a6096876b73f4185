import type { JsonObject, JsonValue } from "../../core/json.js";
import type { PlanStep } from "../../core/plan.js";
import { STATE, type StepStates } from "../../core/step-states.js";
import type { StepChange } from "../../core/transition.js";

/** The outputs of steps that succeed in one flush: a run that ends with them need not have them read again. */
export class EndedOutputs {
  readonly #byStep = new Map<string, JsonValue>();

  /** Notes what a transition has ended. */
  add(runId: string, changes: readonly StepChange[]): void {
    for (const change of changes) {
      if (change.type !== "end" || change.status !== "succeeded" || change.itemIndex >= 0) continue;
      const { outputArtifactId, output = null } = change;
      this.#byStep.set(
        keyOf(runId, change.stepIndex),
        outputArtifactId ? { $artifact: outputArtifactId } : output,
      );
    }
  }

  /** What a run has for its output, when all of these steps that have succeeded did so in this flush; else undefined. */
  ofRun(
    run: { readonly id: string; readonly states: StepStates },
    steps: readonly PlanStep[],
  ): JsonObject | undefined {
    const output: JsonObject = {};
    for (const { id, index } of steps) {
      if (run.states.get(index) !== STATE.succeeded) continue;
      const value = this.#byStep.get(keyOf(run.id, index));
      if (value === undefined) return undefined;
      output[id] = value;
    }
    return Object.keys(output).length > 0 ? output : undefined;
  }
}

function keyOf(runId: string, stepIndex: number): string {
  return `${runId}/${stepIndex}`;
}
