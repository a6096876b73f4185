import type { RunErrorCode } from "../../../core/statuses.js";
import { type DiagnosisRule, evidenceOf } from "./failure.js";

const WORDS: Readonly<Partial<Record<RunErrorCode, string>>> = {
  invalid_input:
    "What the mappings gave does not fit what the component takes. The message names each fault.",
  invalid_output:
    "What the step gave does not fit its outputSchema, or is no JSON. Mend the component, or let a new version widen its schema.",
  worker_lost:
    "The worker died or lost its database while the step ran, more often than the step bears. If the step's own memory or disk use " +
    "brings workers down, give it a worker group of its own.",
  rejected: "Somebody rejected it, or a budget was spent. Start again once that has been talked over.",
  canceled: "The run was canceled while this step ran.",
  internal: "Headrace failed, not the step. The log of the worker has more; running again may do.",
};

/** What no other rule explains, by its code. */
export const otherCodes: DiagnosisRule = {
  kind: "by-code",
  explain(failure) {
    const { error, step } = failure;
    const words = WORDS[error.code];
    if (words === undefined) return [];
    return [
      {
        kind: error.code.replaceAll("_", "-"),
        title: `${step.id} ended with ${error.code}`,
        detail: `${error.message.slice(0, 2_000)}\n${words}`,
        severity: error.code === "canceled" ? "info" : "error",
        evidence: evidenceOf(failure, failure.logs.slice(-3)),
      },
    ];
  },
};
