import type { Candidate } from "../candidate.js";
import type { WorkflowGround } from "../ground/workflow-ground.js";
import { componentOf, evidenceOf } from "./finding-rule.js";

/** Steps whose version is deprecated or not, with the newest release in its place where the mappings fit. */
export function findReplaceable(
  ground: WorkflowGround,
  { kind, isDeprecated }: { readonly kind: string; readonly isDeprecated: boolean },
): Candidate[] {
  return ground.steps.flatMap((step) => {
    const component = componentOf(ground, step);
    if (!component || component.isDeprecated !== isDeprecated) return [];
    const { name, version, newest } = component;
    if (!newest && !isDeprecated) return [];
    const state = isDeprecated ? `Version ${version} is deprecated.` : `Version ${version} has successors.`;
    const isPinned = String(step.written["uses"]).includes("@");
    const isMajor = newest !== undefined && majorOf(newest.version) !== majorOf(version);
    return [
      {
        kind,
        title: newest
          ? `${step.plan.id} uses ${name} ${version}; ${newest.version} is there`
          : `${step.plan.id} uses ${name} ${version}, which is deprecated`,
        detail: [
          state,
          newest
            ? `The mappings of this step fit the inputs of ${newest.version}.`
            : "There is no later release that is not.",
          ...(isMajor ? ["It is another major version: read what has changed."] : []),
        ].join(" "),
        // that there is a successor is worth knowing all the same
        withoutPatch: `${state} The mappings of this step do not fit the inputs of ${newest?.version ?? "another"}.`,
        severity: isDeprecated ? ("warning" as const) : ("info" as const),
        ...(newest && isPinned
          ? {
              patch: [
                { op: "replace" as const, path: `${step.path}/uses`, value: `mcp:${name}@${newest.version}` },
              ],
            }
          : {}),
        evidence: evidenceOf(ground, step),
      },
    ];
  });
}

function majorOf(version: string): string {
  return version.split(".")[0] ?? "";
}
