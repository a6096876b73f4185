import type { PatchOperation } from "../../../contracts/api/copilot.js";
import { parsePointer, resolvePointer, toPointer } from "../../../core/json-pointer.js";
import { stepSchema, workflowDefinitionBodySchema } from "../../../contracts/workflow-definition.js";
import { isJsonObject, type JsonValue } from "../../../core/json.js";
import type { FieldFault } from "../../../errors/app-error.js";
import type { Candidate } from "../candidate.js";
import { nearestName } from "../json-types.js";

const MOST_SHOWN = 50;

/**
 * The faults of a definition, each as a finding, and one patch that mends those whose mending is plain: members that
 * there are not, misspelt names. It is offered only if nothing is left to mend then.
 */
export function repairDefinition(definition: JsonValue, faults: readonly FieldFault[]): Candidate[] {
  const patch = dedupe(faults.flatMap((fault) => repair(definition, fault)));
  const listed = faults.slice(0, MOST_SHOWN).map(
    (fault): Candidate => ({
      kind: "invalid-definition",
      title: `${fault.path || "The definition"} ${fault.message}`.slice(0, 200),
      detail: `${fault.path || "/"}: ${fault.message}`,
      severity: "error",
      evidence: { quotes: [fault.path] },
    }),
  );
  if (patch.length === 0) return listed;
  const mending: Candidate = {
    kind: "invalid-definition",
    title: "The faults can be mended",
    detail: "Members that a definition does not have are taken out, and misspelt names are put right.",
    severity: "error",
    patch,
  };
  return [mending, ...listed];
}

function repair(definition: JsonValue, { path, message }: FieldFault): PatchOperation[] {
  const tokens = parsePointer(path);
  if (!tokens || tokens.length === 0 || resolvePointer(definition, path) === undefined) return [];
  if (message === "unknown field") return [renameOrRemove(definition, tokens)];
  const value = resolvePointer(definition, path);
  const stepIds = idsOf(definition);
  const last = tokens.at(-1);
  const isStepName = last === "step" || tokens.at(-2) === "dependsOn";
  if (isStepName && typeof value === "string" && !stepIds.includes(value)) {
    const near = nearestName(value, stepIds);
    return near === undefined ? [] : [{ op: "replace", path, value: near }];
  }
  return [];
}

/** A misspelt member gets its name; one that means nothing goes. */
function renameOrRemove(definition: JsonValue, tokens: readonly string[]): PatchOperation {
  const path = toPointer(tokens);
  const parent = tokens.slice(0, -1);
  const shape = parent.length === 0 ? workflowDefinitionBodySchema.shape : stepSchema.shape;
  const near = nearestName((tokens.at(-1) ?? "").replaceAll(/[_-]/g, ""), Object.keys(shape));
  const renamed = near === undefined ? undefined : toPointer([...parent, near]);
  return renamed !== undefined && resolvePointer(definition, renamed) === undefined
    ? { op: "move", from: path, path: renamed }
    : { op: "remove", path };
}

function idsOf(definition: JsonValue): string[] {
  if (!isJsonObject(definition) || !Array.isArray(definition["steps"])) return [];
  return definition["steps"].flatMap((step) =>
    isJsonObject(step) && typeof step["id"] === "string" ? [step["id"]] : [],
  );
}

function dedupe(patch: readonly PatchOperation[]): PatchOperation[] {
  const seen = new Map(patch.map((operation) => [operation.path, operation]));
  // later places first: what is taken out of an array moves what follows
  return [...seen.values()].sort((one, other) => (one.path < other.path ? 1 : -1));
}
