import { topologicalOrder } from "../../../core/graph.js";
import { DEFAULT_MAX_PARALLEL, phaseOf, type RunPlan } from "../../../core/plan.js";
import type { WorkflowHistory } from "./workflow-history.js";

/** How long a run would take with a worker for every step, and which steps make it so long. */
export interface PlanTime {
  readonly totalMs: number;
  /** Ids of the steps of the longest path, in order. */
  readonly path: readonly string[];
  /** Milliseconds of each step, by id. */
  readonly stepMs: ReadonlyMap<string, number>;
}

/**
 * The longest path through the main steps by their recorded medians; a `forEach` counts for as many rounds as its
 * items need with `maxParallel`. Undefined when a step of the plan was never recorded: then nothing can be said.
 */
export function simulatePlan(plan: RunPlan, history: WorkflowHistory): PlanTime | undefined {
  const stepMs = new Map<string, number>();
  for (const step of plan.steps) {
    if (phaseOf(step) !== "main") continue;
    const seen = history.steps.get(step.id);
    const isFree = step.target.kind === "builtin" && step.target.name === "noop";
    const median = seen?.durationMs?.p50 ?? (isFree ? 0 : undefined);
    if (median === undefined) return undefined;
    const items = step.forEach === undefined ? 1 : (seen?.items?.p50 ?? 1);
    stepMs.set(step.id, median * Math.max(1, Math.ceil(items / (step.maxParallel ?? DEFAULT_MAX_PARALLEL))));
  }
  const order = topologicalOrder(plan.steps.map((step) => step.dependencies));
  if (!order) return undefined;
  const endMs = new Map<number, number>();
  const cameFrom = new Map<number, number>();
  let last: number | undefined;
  for (const index of order) {
    const step = plan.steps[index];
    if (!step || phaseOf(step) !== "main") continue;
    const latest = [...step.dependencies].sort((a, b) => (endMs.get(b) ?? 0) - (endMs.get(a) ?? 0))[0];
    if (latest !== undefined) cameFrom.set(index, latest);
    endMs.set(index, (latest === undefined ? 0 : (endMs.get(latest) ?? 0)) + (stepMs.get(step.id) ?? 0));
    if (last === undefined || (endMs.get(index) ?? 0) > (endMs.get(last) ?? 0)) last = index;
  }
  const path: string[] = [];
  for (let at = last; at !== undefined; at = cameFrom.get(at)) path.unshift(plan.steps[at]?.id ?? "");
  return { totalMs: Math.round(last === undefined ? 0 : (endMs.get(last) ?? 0)), path, stepMs };
}
