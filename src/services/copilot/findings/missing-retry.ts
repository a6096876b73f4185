import { type FindingRule, evidenceOf, historyOf } from "./finding-rule.js";

/** Errors that may be gone the next time. */
const PASSING = ["upstream_error", "timeout"] as const;

/** Steps that are tried once, and fail of what passes. */
export const missingRetry: FindingRule = {
  kind: "missing-retry",
  find: (ground) =>
    ground.steps.flatMap((step) => {
      const seen = historyOf(ground, step);
      if (step.written["retry"] !== undefined || step.plan.target.kind === "workflow" || !seen) return [];
      const passing = PASSING.reduce((sum, code) => sum + (seen.errorCodes[code] ?? 0), 0);
      const isFlaky = (seen.errorCodes["script_error"] ?? 0) > 0 && seen.succeeded > seen.failed * 3;
      if (passing === 0 && !isFlaky) return [];
      const { id, target } = step.plan;
      const writes = target.kind === "builtin" && target.name === "http" && isWriting(step.inputs["method"]);
      const caution = writes
        ? " It sends something: see that the receiver bears the same request twice."
        : " See that it bears to be done twice.";
      return [
        {
          kind: missingRetry.kind,
          title: `${id} is not tried again when it fails`,
          detail:
            `Of ${seen.executions} executions ${seen.failed} failed, ` +
            (passing > 0 ? `${passing} of what may pass by itself.` : "while most succeeded.") +
            ` Three attempts with growing pauses would bear such failures.${caution}`,
          severity: "warning" as const,
          patch: [
            {
              op: "add" as const,
              path: `${step.path}/retry`,
              value: { maxAttempts: 3, backoff: "exponential", delaySeconds: 2 },
            },
          ],
          evidence: evidenceOf(ground, step, { runIds: [...seen.failedRunIds] }),
        },
      ];
    }),
};

function isWriting(method: unknown): boolean {
  const value = (method as { value?: unknown } | undefined)?.value ?? "GET";
  return value !== "GET" && value !== "HEAD";
}
