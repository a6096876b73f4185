import { type DiagnosisRule, evidenceOf, textOf } from "./failure.js";

const MOST_MB = 65_536;
const USUAL_MB = 1_024;

/** The memory limit ended the step, or its interpreter gave up. */
export const outOfMemory: DiagnosisRule = {
  kind: "out-of-memory",
  explain(failure) {
    const { error, component, targets, step } = failure;
    const isOurs = error.code === "out_of_memory";
    const isTheirs =
      error.code === "script_error" && /\bMemoryError\b|JavaScript heap out of memory/.test(textOf(failure));
    if (!isOurs && !isTheirs) return [];
    const given = component?.config["memoryMb"];
    const memoryMb = typeof given === "number" ? given : USUAL_MB;
    const wanted = Math.min(MOST_MB, memoryMb * 2);
    return [
      {
        kind: outOfMemory.kind,
        title: `${step.id} needs more than ${memoryMb} MiB`,
        detail:
          `Its processes together reached the limit. The patch doubles it to ${wanted} MiB, in a new version of the component. ` +
          "If it grows with its input, work on a part at a time (forEach) in place of more memory.",
        severity: "error",
        ...(targets.config && wanted > memoryMb
          ? {
              target: targets.config,
              patch: [
                {
                  op: given === undefined ? ("add" as const) : ("replace" as const),
                  path: "/memoryMb",
                  value: wanted,
                },
              ],
            }
          : {}),
        withoutPatch: "Its processes together reached the memory limit.",
        evidence: evidenceOf(failure),
      },
    ];
  },
};
