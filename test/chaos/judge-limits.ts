import { groupBy } from "../../src/queues/group-by.js";
import { DEFAULT_MAX_PARALLEL } from "../../src/core/plan.js";
import type { ChaosRows } from "./chaos-rows.js";
import type { Accuse } from "./chaos-verdict.js";

interface Span {
  readonly from: number;
  readonly to: number;
}

/** How many of these were under way at once, at most. One that ends as another begins does not count with it. */
function mostAtOnce(spans: readonly Span[]): number {
  const turns = spans.flatMap(({ from, to }) => [
    { at: from, by: 1 },
    { at: to, by: -1 },
  ]);
  turns.sort((one, other) => one.at - other.at || one.by - other.by);
  let [now, most] = [0, 0];
  for (const { by } of turns) {
    now += by;
    most = Math.max(most, now);
  }
  return most;
}

/** `concurrency.limit` of every key, and `maxParallel` of every `forEach`. */
export function judgeLimits({ runs, steps, plans }: ChaosRows, accuse: Accuse): void {
  const admitted = runs.filter((run) => run.concurrency_key !== null && run.admitted_at !== null);
  for (const [key, own] of groupBy(admitted, (run) => `${run.workflow_name} ${run.concurrency_key}`)) {
    const limit = plans.get(own[0]?.version_id ?? "")?.concurrency?.limit ?? 0;
    const most = mostAtOnce(own.map((run) => toSpan(run.admitted_at, run.finished_at)));
    if (most > limit) accuse("I7", `${key}: ${most} runs at once, more than ${limit}`);
  }
  const versionOf = new Map(runs.map((run) => [run.id, run.version_id]));
  const items = steps.filter((step) => step.item_index >= 0 && step.started_at !== null);
  for (const [key, own] of groupBy(items, (step) => `${step.run_id}/${step.step_index}`)) {
    const plan = plans.get(versionOf.get(own[0]?.run_id ?? "") ?? "");
    const limit = plan?.steps[own[0]?.step_index ?? 0]?.maxParallel ?? DEFAULT_MAX_PARALLEL;
    const most = mostAtOnce(own.map((step) => toSpan(step.started_at, step.finished_at)));
    if (most > limit) accuse("I7", `${key}: ${most} items at once, more than ${limit}`);
  }
}

function toSpan(from: number | null, to: number | null): Span {
  return { from: from ?? 0, to: to ?? Number.POSITIVE_INFINITY };
}
