import { resolvePointer } from "../../../core/json-pointer.js";
import type { Candidate } from "../candidate.js";
import type { WorkflowGround } from "../ground/workflow-ground.js";
import { findPlainSecrets, hint, type PlainSecret } from "../plain-secrets.js";
import type { FindingRule } from "./finding-rule.js";

const INPUT_CONSTANT = /^(\/(?:steps|onFailure|finally)\/\d+\/inputs\/([^/]+))\/value$/;

/** Secrets that stand in a definition, or in the components that it uses, for everybody to read. */
export const plainSecret: FindingRule = {
  kind: "plain-secret",
  find: (ground) => [
    ...findPlainSecrets(ground.definition).map((secret) => inDefinition(ground, secret)),
    ...[...ground.components.values()].flatMap((component) =>
      findPlainSecrets(component.config).map((secret) => ({
        kind: plainSecret.kind,
        title: `${component.name} ${component.version} holds what looks like ${secret.what}`,
        detail:
          `At ${secret.path} of its configuration (${hint(secret.text)}). Everybody who may read components reads it. ` +
          "Store it as a secret, let a new version of the component name it in `secrets`, and change it where it came from.",
        severity: "error" as const,
        evidence: { quotes: [`${secret.path}: ${hint(secret.text)}`] },
      })),
    ),
  ],
};

function inDefinition(ground: WorkflowGround, secret: PlainSecret): Candidate {
  const constant = INPUT_CONSTANT.exec(secret.path);
  const name = constant?.[2] === undefined ? undefined : findStored(ground, constant[2]);
  const canReplace = secret.isWhole && constant?.[1] !== undefined && name !== undefined;
  const stepPath = /^\/(?:steps|onFailure|finally)\/\d+/.exec(secret.path)?.[0];
  const stepId = stepPath === undefined ? undefined : resolvePointer(ground.definition, `${stepPath}/id`);
  return {
    kind: plainSecret.kind,
    title: `${typeof stepId === "string" ? stepId : "The definition"} holds what looks like ${secret.what}`,
    detail:
      `At ${secret.path} (${hint(secret.text)}). Everybody who may read workflows reads it, in every version and export. ` +
      (canReplace
        ? `The stored secret ${name} can take its place, if it holds the same.`
        : `Store it (PUT /api/v1/secrets/${suggestName(constant?.[2] ?? "API_TOKEN")}) and map the input to { secret: … }.`) +
      " Then change it where it came from: it has been seen.",
    severity: "error",
    ...(canReplace && constant?.[1] !== undefined
      ? { patch: [{ op: "replace" as const, path: constant[1], value: { secret: name } }] }
      : {}),
    withoutPatch: `At ${secret.path} (${hint(secret.text)}). Store it as a secret where it is used, and change it where it came from.`,
    evidence: {
      ...(typeof stepId === "string" ? { stepId } : {}),
      quotes: [`${secret.path}: ${hint(secret.text)}`],
    },
  };
}

/** The stored secret whose name says the same as the input's; undefined when none or several do. */
function findStored({ secretNames }: WorkflowGround, input: string): string | undefined {
  const wanted = suggestName(input);
  if (secretNames.has(wanted)) return wanted;
  const near = [...secretNames].filter((name) => name.endsWith(`_${wanted}`));
  return near.length === 1 ? near[0] : undefined;
}

function suggestName(input: string): string {
  return input
    .replace(/([a-z0-9])([A-Z])/g, "$1_$2")
    .replace(/[^A-Za-z0-9]+/g, "_")
    .toUpperCase();
}
