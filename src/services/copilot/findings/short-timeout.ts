import { type FindingRule, evidenceOf, historyOf, inWords } from "./finding-rule.js";

/** Successes that come this close to the limit show that it cuts into what would succeed. */
const NEAR = 0.7;
const MOST_SECONDS = 604_800;

/** Steps whose time limit ends what would have succeeded. */
export const shortTimeout: FindingRule = {
  kind: "short-timeout",
  find: (ground) =>
    ground.steps.flatMap((step) => {
      const seen = historyOf(ground, step);
      const limit = step.written["timeoutSeconds"];
      const timeouts = seen?.errorCodes["timeout"] ?? 0;
      if (typeof limit !== "number" || !seen?.durationMs || timeouts === 0) return [];
      if (seen.durationMs.max < limit * 1_000 * NEAR) return [];
      const seconds = Math.min(MOST_SECONDS, Math.ceil(limit * 2));
      return [
        {
          kind: shortTimeout.kind,
          title: `${step.plan.id} runs into its time limit`,
          detail:
            `${timeouts} attempts were ended after ${limit} s, while successes took up to ${inWords(seen.durationMs.max)}: ` +
            `the limit is within what the work needs. ${seconds} s would leave room.`,
          severity: "warning" as const,
          patch: [{ op: "replace" as const, path: `${step.path}/timeoutSeconds`, value: seconds }],
          evidence: evidenceOf(ground, step, { runIds: [...seen.failedRunIds] }),
        },
      ];
    }),
};
