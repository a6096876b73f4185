import { toCanonicalJson } from "./canonical-json.js";
import { phaseOf, type PlanStep, type RunPlan } from "./plan.js";
import { STATE, StepStates } from "./step-states.js";

/** A step of a rerun whose result is taken over. */
export interface ReusedStep {
  /** Its index in the old run's plan. */
  readonly fromIndex: number;
  readonly letter: typeof STATE.succeeded | typeof STATE.skipped;
}

/**
 * Which steps of a rerun take over the old run's results: those that succeeded, or were skipped by their condition,
 * that the same definition has in both plans, and of which every step that they wait for is taken over too.
 * Only steps of the main phase; a tolerated failure is run again.
 * @param from index of a step in the new plan that is run again, with all that follows it.
 */
export function planReuse(input: {
  readonly before: RunPlan;
  readonly states: string;
  readonly plan: RunPlan;
  readonly from?: number | undefined;
}): Map<number, ReusedStep> {
  const { before, plan, from } = input;
  const states = new StepStates(input.states);
  const oldById = new Map(before.steps.map((step) => [step.id, step]));
  const verdicts = new Map<number, ReusedStep | undefined>();
  const idOf = (owner: RunPlan) => (index: number) => owner.steps[index]?.id ?? "";

  function judge(step: PlanStep): ReusedStep | undefined {
    const old = oldById.get(step.id);
    if (!old || step.index === from || phaseOf(step) !== "main") return undefined;
    const letter = states.get(old.index);
    if (letter !== STATE.succeeded && letter !== STATE.skipped) return undefined;
    if (before !== plan && fingerprint(old, idOf(before)) !== fingerprint(step, idOf(plan))) return undefined;
    return { fromIndex: old.index, letter };
  }

  // a definition may name a step before those that it waits for
  const work = plan.steps.map((step) => step.index);
  for (let index = work.pop(); index !== undefined; index = work.pop()) {
    const step = plan.steps[index];
    if (!step || verdicts.has(index)) continue;
    const missing = step.dependencies.filter((dependency) => !verdicts.has(dependency));
    if (missing.length > 0) {
      work.push(index, ...missing);
      continue;
    }
    const isWhole = step.dependencies.every((dependency) => verdicts.get(dependency) !== undefined);
    verdicts.set(index, isWhole ? judge(step) : undefined);
  }
  return new Map([...verdicts].flatMap(([index, reused]) => (reused ? [[index, reused] as const] : [])));
}

/** All that decides what a step comes to, with places in the plan replaced by names. */
function fingerprint(step: PlanStep, idOf: (index: number) => string): string {
  const { index: _index, dependants: _dependants, dependencies, reads = [], ...rest } = step;
  return toCanonicalJson({
    ...rest,
    dependencies: dependencies.map(idOf).sort(),
    reads: reads.map(idOf).sort(),
  });
}
