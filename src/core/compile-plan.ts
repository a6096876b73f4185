import { invertGraph, topologicalOrder } from "./graph.js";
import type { InputMapping, PlanStep, RetryPolicy, RunAfter, RunPlan, StepTarget } from "./plan.js";

/** One step of a definition, checked and with its defaults filled in. */
export interface PlanSourceStep {
  readonly id: string;
  readonly inputs?: Readonly<Record<string, InputMapping>> | undefined;
  readonly dependsOn?: readonly string[] | undefined;
  readonly when?: string | undefined;
  readonly runAfter: RunAfter;
  readonly retry?: RetryPolicy | undefined;
  readonly timeoutSeconds?: number | undefined;
  readonly queueTimeoutSeconds?: number | undefined;
  readonly onError: "fail" | "continue";
  readonly workerGroup: string;
  readonly priority: number;
}

/** A definition, checked: every name in it is known. */
export interface PlanSource {
  readonly steps: readonly PlanSourceStep[];
  readonly outputs?: Readonly<Record<string, InputMapping>> | undefined;
  readonly timeoutSeconds?: number | undefined;
}

/** What the names of a definition stand for. */
export interface PlanBindings {
  /** What each step runs, by its place. */
  readonly targets: readonly StepTarget[];
  /** The ids of the steps that each expression reads, by its text. */
  readonly expressionSteps: ReadonlyMap<string, readonly string[]>;
}

/** A step without `retry` is tried once. */
const NO_RETRY: RetryPolicy = {
  maxAttempts: 1,
  backoff: "fixed",
  delaySeconds: 0,
  maxDelaySeconds: 0,
  jitter: false,
};

/**
 * Compiles a checked definition for the engine: names become indices, versions are pinned, defaults filled in.
 * @throws Error when the definition was not checked: an unknown step, a missing target, a cycle.
 */
export function compilePlan(source: PlanSource, bindings: PlanBindings): RunPlan {
  const indexById = new Map(source.steps.map((step, index) => [step.id, index]));
  const dependencies = source.steps.map((step) =>
    [...stepsReadBy(step, bindings.expressionSteps)]
      .map((id) => {
        const index = indexById.get(id);
        if (index === undefined) throw new Error(`step ${step.id} waits for ${id}, which is no step`);
        return index;
      })
      .sort((one, other) => one - other),
  );
  if (!topologicalOrder(dependencies)) throw new Error("the steps wait for each other in a cycle");
  const dependants = invertGraph(dependencies);
  const steps = source.steps.map((step, index): PlanStep => {
    const target = bindings.targets[index];
    if (!target) throw new Error(`step ${step.id} has no target`);
    return {
      id: step.id,
      index,
      target,
      inputs: step.inputs ?? {},
      dependencies: dependencies[index] ?? [],
      dependants: dependants[index] ?? [],
      runAfter: step.runAfter,
      retry: step.retry ?? NO_RETRY,
      onError: step.onError,
      workerGroup: step.workerGroup,
      priority: step.priority,
      ...(step.when === undefined ? {} : { when: step.when }),
      ...(step.timeoutSeconds === undefined ? {} : { timeoutSeconds: step.timeoutSeconds }),
      ...(step.queueTimeoutSeconds === undefined ? {} : { queueTimeoutSeconds: step.queueTimeoutSeconds }),
    };
  });
  return {
    steps,
    ...(source.outputs === undefined ? {} : { outputs: source.outputs }),
    ...(source.timeoutSeconds === undefined ? {} : { timeoutSeconds: source.timeoutSeconds }),
  };
}

/** The ids of all steps that a step waits for: by `dependsOn`, by its inputs, and by what its expressions read. */
export function stepsReadBy(
  step: Pick<PlanSourceStep, "inputs" | "dependsOn" | "when">,
  expressionSteps: ReadonlyMap<string, readonly string[]>,
): Set<string> {
  const ids = new Set(step.dependsOn ?? []);
  const readExpression = (text: string) => {
    for (const id of expressionSteps.get(text) ?? []) ids.add(id);
  };
  for (const mapping of Object.values(step.inputs ?? {})) {
    if ("step" in mapping) ids.add(mapping.step);
    else if ("expression" in mapping) readExpression(mapping.expression);
  }
  if (step.when !== undefined) readExpression(step.when);
  return ids;
}
