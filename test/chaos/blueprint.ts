import type { JsonObject, JsonValue } from "../../src/core/json.js";
import type { Random } from "./random.js";

/** What the seed makes of a step once it runs. */
export type Fate = "succeeds" | "skips" | "gate" | { readonly failsWith: string };

/** A step as it is registered, and what will become of it. */
export interface ChaosStep {
  readonly id: string;
  /** Members of the step in the definition. */
  readonly fields: JsonObject;
  readonly fate: Fate;
  /** Executions that count against `retry.maxAttempts`; undefined: the step is no script, or the number may differ. */
  readonly charged?: number;
}

/** The lists of steps of a workflow. */
export interface ChaosSteps {
  readonly main: readonly ChaosStep[];
  readonly onFailure?: readonly ChaosStep[];
  readonly finally?: readonly ChaosStep[];
}

/** A workflow of the seed's mix, with all that is known beforehand of its runs. */
export interface Blueprint {
  readonly name: string;
  readonly family: string;
  readonly steps: ChaosSteps;
  /** Members of the definition beside the steps. */
  readonly rest?: JsonObject;
  makeInput(random: Random): JsonObject;
  /** The output of a run that succeeds; members named `token` are compared with the witness instead. */
  expectOutput?(input: JsonObject): JsonValue;
  /** Whether runs wait for their turn by `input.key`, at most this many at once. */
  readonly limit?: number;
  /** Runs of it are only started by others. */
  readonly isInner?: boolean;
  /** Its workers are killed by the suite as soon as it runs. */
  readonly isPoison?: boolean;
}

/** The definition as the API takes it. */
export function toDefinition({ steps, rest }: Blueprint): JsonObject {
  const list = (some: readonly ChaosStep[]): JsonValue =>
    some.map(({ id, fields }) => ({ id, ...fields }) as JsonObject);
  return {
    ...rest,
    steps: list(steps.main),
    ...(steps.onFailure ? { onFailure: list(steps.onFailure) } : {}),
    ...(steps.finally ? { finally: list(steps.finally) } : {}),
  };
}

/** All steps of a blueprint, whichever list they stand in. */
export function allSteps({ steps }: Pick<Blueprint, "steps">): ChaosStep[] {
  return [...steps.main, ...(steps.onFailure ?? []), ...(steps.finally ?? [])];
}
