import { type FindingRule, evidenceOf, historyOf, inWords } from "./finding-rule.js";

/** So many repeats with the same output are no chance. */
const LEAST_REPEATS = 3;
/** Below it a look-up costs as much as the step. */
const LEAST_MS = 50;
const TTL_SECONDS = 3_600;

/** Steps that, whenever they got the same inputs, gave the same output. */
export const cacheableStep: FindingRule = {
  kind: "cacheable-step",
  find: (ground) =>
    ground.steps.flatMap((step) => {
      const seen = historyOf(ground, step);
      const { target, inputs, id } = step.plan;
      const isAble =
        target.kind === "mcp" ? target.mcpType !== "streamlit_app" : isHttpGet(target, inputs["method"]);
      const readsSecret = Object.values(inputs).some((mapping) => "secret" in mapping);
      if (!seen?.durationMs || !isAble || readsSecret || step.written["cache"] !== undefined) return [];
      if (seen.repeats < LEAST_REPEATS || seen.unsteadyInputs > 0 || seen.durationMs.p50 < LEAST_MS)
        return [];
      const { p50 } = seen.durationMs;
      const before = seen.executions * p50;
      return [
        {
          kind: cacheableStep.kind,
          title: `${id} does the same work again and again`,
          detail:
            `${seen.repeats} of ${seen.executions} executions had inputs that had been seen before, and gave the same output ` +
            `each time. Kept for an hour, the result would save about ${inWords(p50)} each time. ` +
            `Only if ${id} depends on nothing but its inputs, and does nothing elsewhere.`,
          severity: "info" as const,
          patch: [{ op: "add" as const, path: `${step.path}/cache`, value: { ttlSeconds: TTL_SECONDS } }],
          evidence: evidenceOf(ground, step, {
            runIds: [...seen.repeatRunIds],
            counts: {
              executions: seen.executions,
              repeats: seen.repeats,
              repeatedInputs: seen.repeatedInputs,
              differingOutputs: seen.unsteadyInputs,
            },
          }),
          estimate: {
            basis: "simulated" as const,
            metric: "executionMs",
            before,
            after: before - seen.repeats * p50,
            runs: ground.history.runs,
            note: "All executions at the median, repeats free, nothing expired.",
          },
        },
      ];
    }),
};

function isHttpGet(target: { kind: string; name?: string }, method: unknown): boolean {
  if (target.kind !== "builtin" || target.name !== "http") return false;
  const value = (method as { value?: unknown } | undefined)?.value;
  return method === undefined || value === "GET";
}
