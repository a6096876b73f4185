import type { WorkflowGround } from "../ground/workflow-ground.js";
import { componentOf, type FindingRule, evidenceOf } from "./finding-rule.js";

/** Steps that are pinned to a version which its owner has deprecated. */
export const deprecatedComponent: FindingRule = {
  kind: "deprecated-component",
  find: (ground) => findReplaceable(ground, true),
};

/** Steps that are pinned to a version which has successors. */
export const outdatedComponent: FindingRule = {
  kind: "outdated-component",
  find: (ground) => findReplaceable(ground, false),
};

function findReplaceable(ground: WorkflowGround, isDeprecated: boolean) {
  return ground.steps.flatMap((step) => {
    const component = componentOf(ground, step);
    if (!component || component.isDeprecated !== isDeprecated) return [];
    const { name, version, newest } = component;
    if (!newest && !isDeprecated) return [];
    const isPinned = String(step.written["uses"]).includes("@");
    const isMajor = newest !== undefined && majorOf(newest.version) !== majorOf(version);
    return [
      {
        kind: isDeprecated ? deprecatedComponent.kind : outdatedComponent.kind,
        title: newest
          ? `${step.plan.id} uses ${name} ${version}; ${newest.version} is there`
          : `${step.plan.id} uses ${name} ${version}, which is deprecated`,
        detail: [
          isDeprecated ? `Version ${version} is deprecated.` : `Version ${version} has successors.`,
          newest
            ? `The mappings of this step fit the inputs of ${newest.version}.`
            : "There is no later release that is not.",
          ...(isMajor ? ["It is another major version: read what has changed."] : []),
        ].join(" "),
        severity: isDeprecated ? ("warning" as const) : ("info" as const),
        ...(newest && isPinned
          ? {
              patch: [
                { op: "replace" as const, path: `${step.path}/uses`, value: `mcp:${name}@${newest.version}` },
              ],
            }
          : {}),
        // where the mappings do not fit, that there is a successor is worth knowing all the same
        isPatchOptional: isDeprecated,
        evidence: evidenceOf(ground, step),
      },
    ];
  });
}

function majorOf(version: string): string {
  return version.split(".")[0] ?? "";
}
