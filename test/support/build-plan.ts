import type { PlanStep, RunPlan } from "../../src/core/plan.js";

/** What a test says of a step; the rest is filled in. */
export type StepDraft = Partial<Omit<PlanStep, "dependencies">> & {
  readonly id: string;
  readonly after?: readonly string[];
};

/** A plan of no-op steps from a list of steps and what each waits for. */
export function buildPlan(drafts: readonly StepDraft[], rest: Partial<RunPlan> = {}): RunPlan {
  const indexOf = new Map(drafts.map((draft, index) => [draft.id, index]));
  const dependencies = drafts.map((draft) => (draft.after ?? []).map((id) => indexOf.get(id) ?? -1));
  const steps = drafts.map(
    ({ after: _after, ...draft }, index): PlanStep => ({
      target: { kind: "builtin", name: "noop" },
      inputs: {},
      runAfter: "allSucceeded",
      retry: { maxAttempts: 1, backoff: "exponential", delaySeconds: 1, maxDelaySeconds: 60, jitter: false },
      onError: "fail",
      workerGroup: "default",
      priority: 0,
      ...draft,
      index,
      dependencies: dependencies[index] ?? [],
      dependants: dependencies.flatMap((list, other) => (list.includes(index) ? [other] : [])),
    }),
  );
  return { steps, ...rest };
}
