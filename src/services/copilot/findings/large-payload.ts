import type { GroundStep } from "../ground/workflow-ground.js";
import { type FindingRule, evidenceOf, historyOf } from "./finding-rule.js";

/** Above it, a value leaves its row for the artifact store, and every reader fetches it from there. */
const LARGE_BYTES = 256 * 1024;

/** Outputs that are too large to be handed from step to step as values. */
export const largePayload: FindingRule = {
  kind: "large-payload",
  find: (ground) =>
    ground.steps.flatMap((step) => {
      const bytes = historyOf(ground, step)?.outputBytes;
      if (!bytes || bytes.p95 < LARGE_BYTES) return [];
      const { id, target } = step.plan;
      const readers = ground.steps.filter((other) => other.reads.has(id)).map((other) => other.plan.id);
      const isHttp = target.kind === "builtin" && target.name === "http";
      const canBeFile = isHttp && readers.length === 0 && step.inputs["responseType"] === undefined;
      return [
        {
          kind: largePayload.kind,
          title: `${id} hands on ${inMegabytes(bytes.p95)}`,
          detail:
            `Its output is ${inMegabytes(bytes.p50)} in the middle, and up to ${inMegabytes(bytes.max)}. ` +
            (readers.length > 0
              ? `${readers.join(", ")} ${readers.length > 1 ? "read" : "reads"} it, each by a copy. `
              : "") +
            "Leave it in a file of the step (artifacts/) and hand on its name, or hand on only what is read.",
          severity: bytes.p95 >= 8 * LARGE_BYTES ? ("warning" as const) : ("info" as const),
          ...(canBeFile ? { patch: [toFile(step)] } : {}),
          evidence: evidenceOf(ground, step, { bytes: { ...bytes }, runIds: [...ground.history.runIds] }),
        },
      ];
    }),
};

function toFile(step: GroundStep) {
  return { op: "add" as const, path: `${step.path}/inputs/responseType`, value: { value: "artifact" } };
}

function inMegabytes(bytes: number): string {
  return bytes < 1024 * 1024
    ? `${Math.round(bytes / 1024)} KiB`
    : `${Math.round(bytes / 104_857.6) / 10} MiB`;
}
