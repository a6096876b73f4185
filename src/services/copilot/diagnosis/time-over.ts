import { inWords } from "../findings/finding-rule.js";
import { type DiagnosisRule, evidenceOf } from "./failure.js";

const MOST_SECONDS = 604_800;
/** Of a component that says nothing. */
const USUAL_SECONDS = 600;

/** The time limit ended the step. */
export const timeOver: DiagnosisRule = {
  kind: "timeout",
  explain(failure) {
    const { error, step, path, written, component, history } = failure;
    if (error.code !== "timeout") return [];
    const own = component?.config["timeoutSeconds"];
    const limit = step.timeoutSeconds ?? (typeof own === "number" ? own : USUAL_SECONDS);
    const slowest = history?.durationMs?.max;
    const seconds = Math.min(MOST_SECONDS, Math.ceil(Math.max(limit * 2, ((slowest ?? 0) / 1_000) * 3)));
    const usual =
      slowest === undefined
        ? "It has not succeeded in the runs that were looked at."
        : slowest < limit * 500
          ? `Successes took ${inWords(slowest)} at most, so this one hung rather than being slow: look at what it waited for, and let it be tried again.`
          : `Successes took up to ${inWords(slowest)}: the limit is within what the work needs.`;
    return [
      {
        kind: timeOver.kind,
        title: `${step.id} did not end within ${limit} s`,
        detail: `${usual} The patch raises its limit to ${seconds} s.`,
        severity: "error",
        target: failure.targets.definition,
        patch: [
          {
            op: written["timeoutSeconds"] === undefined ? "add" : "replace",
            path: `${path}/timeoutSeconds`,
            value: seconds,
          },
        ],
        withoutPatch: usual,
        evidence: evidenceOf(failure, failure.logs.slice(-3)),
      },
    ];
  },
};
