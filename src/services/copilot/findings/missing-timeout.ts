import { type FindingRule, evidenceOf, historyOf, inWords } from "./finding-rule.js";

const LEAST_SECONDS = 30;
/** Successes that a limit can be drawn from. */
const LEAST_SUCCESSES = 3;
/** A limit leaves this much room above what successes took. */
const ROOM = 3;

/** Steps without a time limit of their own whose failures took far longer than any success. */
export const missingTimeout: FindingRule = {
  kind: "missing-timeout",
  find: (ground) =>
    ground.steps.flatMap((step) => {
      const seen = historyOf(ground, step);
      if (step.written["timeoutSeconds"] !== undefined || step.plan.target.kind === "workflow") return [];
      if (!seen?.durationMs || !seen.failedDurationMs || seen.succeeded < LEAST_SUCCESSES) return [];
      const limitMs = Math.max(LEAST_SECONDS * 1_000, seen.durationMs.max * ROOM);
      const hasHung = (seen.errorCodes["timeout"] ?? 0) > 0 || seen.failedDurationMs.max > limitMs;
      if (!hasHung || seen.failedDurationMs.max <= seen.durationMs.max) return [];
      const seconds = Math.ceil(limitMs / 1_000);
      return [
        {
          kind: missingTimeout.kind,
          title: `${step.plan.id} has no time limit of its own`,
          detail:
            `No success took longer than ${inWords(seen.durationMs.max)}, but a failure held a worker for ` +
            `${inWords(seen.failedDurationMs.max)}. With ${seconds} s such an attempt ends sooner, and a retry may begin.`,
          severity: "warning" as const,
          patch: [{ op: "add" as const, path: `${step.path}/timeoutSeconds`, value: seconds }],
          evidence: evidenceOf(ground, step, { runIds: [...seen.failedRunIds] }),
        },
      ];
    }),
};
