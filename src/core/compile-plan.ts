import { invertGraph, topologicalOrder } from "./graph.js";
import {
  type CacheRule,
  type ConcurrencyRule,
  type InputMapping,
  type Phase,
  PHASES,
  type PlanStep,
  type RateLimitRule,
  type RetryPolicy,
  type RunAfter,
  type RunPlan,
  type StepTarget,
} from "./plan.js";

/** One step of a definition, checked and with its defaults filled in. */
export interface PlanSourceStep {
  readonly id: string;
  readonly inputs?: Readonly<Record<string, InputMapping>> | undefined;
  readonly dependsOn?: readonly string[] | undefined;
  readonly when?: string | undefined;
  readonly forEach?: InputMapping | undefined;
  readonly maxParallel?: number | undefined;
  readonly cache?: CacheRule | undefined;
  readonly runAfter: RunAfter;
  readonly retry?: RetryPolicy | undefined;
  readonly timeoutSeconds?: number | undefined;
  readonly queueTimeoutSeconds?: number | undefined;
  readonly onError: "fail" | "continue";
  readonly workerGroup: string;
  readonly priority: number;
  readonly waitForSubmit?: boolean | undefined;
}

/** A definition, checked: every name in it is known. */
export interface PlanSource {
  readonly steps: readonly PlanSourceStep[];
  readonly onFailure?: readonly PlanSourceStep[] | undefined;
  readonly finally?: readonly PlanSourceStep[] | undefined;
  readonly outputs?: Readonly<Record<string, InputMapping>> | undefined;
  readonly timeoutSeconds?: number | undefined;
  readonly concurrency?: ConcurrencyRule | undefined;
  readonly rateLimit?: RateLimitRule | undefined;
}

/** What the names of a definition stand for. */
export interface PlanBindings {
  /** What each step runs, by its place: first those of `steps`, then of `onFailure`, then of `finally`. */
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

interface PlacedStep {
  readonly step: PlanSourceStep;
  readonly phase: Phase;
}

/**
 * Compiles a checked definition for the engine: names become indices, versions are pinned, defaults filled in. The
 * steps of all phases stand in one list, in the order of the phases.
 * @throws Error when the definition was not checked: an unknown step, a missing target, a cycle, a read of a later phase.
 */
export function compilePlan(source: PlanSource, bindings: PlanBindings): RunPlan {
  const placed: PlacedStep[] = [
    ...source.steps.map((step) => ({ step, phase: "main" as const })),
    ...(source.onFailure ?? []).map((step) => ({ step, phase: "onFailure" as const })),
    ...(source.finally ?? []).map((step) => ({ step, phase: "finally" as const })),
  ];
  const edges = findEdges(placed, bindings.expressionSteps);
  const dependencies = edges.map((edge) => edge.dependencies);
  if (!topologicalOrder(dependencies)) throw new Error("the steps wait for each other in a cycle");
  const dependants = invertGraph(dependencies);
  const steps = placed.map(({ step, phase }, index): PlanStep => {
    const target = bindings.targets[index];
    if (!target) throw new Error(`step ${step.id} has no target`);
    const reads = edges[index]?.reads ?? [];
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
      ...defined({
        phase: phase === "main" ? undefined : phase,
        reads: reads.length === 0 ? undefined : reads,
        when: step.when,
        forEach: step.forEach,
        maxParallel: step.maxParallel,
        cache: step.cache && defined(step.cache),
        timeoutSeconds: step.timeoutSeconds,
        queueTimeoutSeconds: step.queueTimeoutSeconds,
        waitForSubmit: step.waitForSubmit === true ? true : undefined,
      }),
    };
  });
  return {
    steps,
    ...defined({
      outputs: source.outputs,
      timeoutSeconds: source.timeoutSeconds,
      concurrency: source.concurrency && defined(source.concurrency),
      rateLimit: source.rateLimit && defined(source.rateLimit),
    }),
  };
}

/** The ids of all steps that a step waits for: by `dependsOn`, and by what its mappings and expressions read. */
export function stepsReadBy(
  step: Pick<PlanSourceStep, "inputs" | "dependsOn" | "when" | "forEach"> & {
    readonly cache?: { readonly key?: string | undefined } | undefined;
  },
  expressionSteps: ReadonlyMap<string, readonly string[]>,
): Set<string> {
  const ids = new Set(step.dependsOn ?? []);
  const readExpression = (text: string | undefined) => {
    if (text !== undefined) for (const id of expressionSteps.get(text) ?? []) ids.add(id);
  };
  const readMapping = (mapping: InputMapping) => {
    if ("step" in mapping) ids.add(mapping.step);
    else if ("expression" in mapping) readExpression(mapping.expression);
  };
  for (const mapping of Object.values(step.inputs ?? {})) readMapping(mapping);
  if (step.forEach !== undefined) readMapping(step.forEach);
  readExpression(step.when);
  readExpression(step.cache?.key);
  return ids;
}

/** Of each step, the steps of its own phase, which it waits for, and those of earlier ones, which have ended by then. */
function findEdges(
  placed: readonly PlacedStep[],
  expressionSteps: ReadonlyMap<string, readonly string[]>,
): { dependencies: number[]; reads: number[] }[] {
  const indexById = new Map(placed.map(({ step }, index) => [step.id, index]));
  return placed.map(({ step, phase }) => {
    const dependencies: number[] = [];
    const reads: number[] = [];
    for (const id of stepsReadBy(step, expressionSteps)) {
      const index = indexById.get(id);
      const other = index === undefined ? undefined : placed[index];
      if (index === undefined || !other) throw new Error(`step ${step.id} waits for ${id}, which is no step`);
      if (other.phase === phase) dependencies.push(index);
      else if (isEarlier(other.phase, phase)) reads.push(index);
      else throw new Error(`step ${step.id} reads ${id}, which runs later`);
    }
    return { dependencies: dependencies.sort(ascending), reads: reads.sort(ascending) };
  });
}

function isEarlier(phase: Phase, than: Phase): boolean {
  return PHASES.indexOf(phase) < PHASES.indexOf(than);
}

function ascending(one: number, other: number): number {
  return one - other;
}

/** Without the members that are undefined: plans are compared, and stored as JSON. */
function defined<T extends object>(members: T): T {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;
}
