import { resolvePointer } from "./json-pointer.js";
import type { JsonObject, JsonValue } from "./json.js";
import type { PlanStep, RunPlan } from "./plan.js";

/**
 * Whether a step has no effect and takes no time: a no-op whose inputs are plain values of its workflow, of the run's
 * input or of other steps. To do such a step twice, or for nothing, does no harm, so it need not be claimed first. One that
 * has a time-out of its own wants to be run.
 */
export function isEffectless({ target, inputs, cache, wholeInput, timeoutSeconds }: PlanStep): boolean {
  if (target.kind !== "builtin" || target.name !== "noop") return false;
  if (cache !== undefined || wholeInput === true || timeoutSeconds !== undefined) return false;
  return Object.values(inputs).every((mapping) => !("secret" in mapping) && !("expression" in mapping));
}

/**
 * The inputs of a step without effects, where all that they name is at hand; else undefined.
 * @param outputOf outputs at hand, by the index of their step.
 */
export function inputsAtHand(
  plan: RunPlan,
  step: PlanStep,
  outputOf: (stepIndex: number) => JsonValue | undefined,
): JsonObject | undefined {
  const values: JsonObject = {};
  for (const [name, mapping] of Object.entries(step.inputs)) {
    if ("value" in mapping) values[name] = mapping.value;
    else if ("step" in mapping) {
      const source = [...step.dependencies, ...(step.reads ?? [])].find(
        (index) => plan.steps[index]?.id === mapping.step,
      );
      const output = source === undefined ? undefined : outputOf(source);
      if (output === undefined) return undefined;
      const value = resolvePointer(output, mapping.output);
      if (value !== undefined) values[name] = value;
    } else return undefined;
  }
  return values;
}
