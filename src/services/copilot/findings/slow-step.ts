import { simulatePlan } from "../history/simulate-plan.js";
import { type FindingRule, evidenceOf, historyOf, inWords } from "./finding-rule.js";

const LEAST_MS = 5_000;
/** Share of the longest path from which a step is what makes a run long. */
const LARGE_SHARE = 0.5;
const MOST_PARALLEL = 100;

/** Steps that make up most of a run's time. */
export const slowStep: FindingRule = {
  kind: "slow-step",
  find(ground) {
    const time = simulatePlan(ground.plan, ground.history);
    if (!time || ground.steps.length < 2) return [];
    return ground.steps.flatMap((step) => {
      const { id, forEach, maxParallel } = step.plan;
      const ms = time.stepMs.get(id) ?? 0;
      if (!time.path.includes(id) || ms < LEAST_MS || ms < time.totalMs * LARGE_SHARE) return [];
      const items = historyOf(ground, step)?.items?.p50 ?? 1;
      const wanted = Math.min(MOST_PARALLEL, items);
      const isNarrow = forEach !== undefined && maxParallel !== undefined && maxParallel < wanted;
      const after = isNarrow
        ? time.totalMs - ms + (ms * Math.ceil(items / wanted)) / Math.ceil(items / maxParallel)
        : 0;
      return [
        {
          kind: slowStep.kind,
          title: `${id} takes ${Math.round((ms / time.totalMs) * 100)} % of the longest path`,
          detail:
            `It takes ${inWords(ms)} of ${inWords(time.totalMs)} by recorded medians. ` +
            (isNarrow
              ? `It works on ${items} items, ${maxParallel} at a time; ${wanted} would fit.`
              : "What shortens this step shortens the run; what shortens others hardly does."),
          severity: "info" as const,
          ...(isNarrow
            ? {
                patch: [{ op: "replace" as const, path: `${step.path}/maxParallel`, value: wanted }],
                estimate: {
                  basis: "simulated" as const,
                  metric: "criticalPathMs",
                  before: time.totalMs,
                  after: Math.round(after),
                  runs: ground.history.runs,
                  note: "Recorded medians, with a free worker for every item.",
                },
              }
            : {}),
          evidence: evidenceOf(ground, step, { runIds: [...ground.history.runIds] }),
        },
      ];
    });
  },
};
