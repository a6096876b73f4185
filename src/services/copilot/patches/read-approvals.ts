import { isJsonObject, type JsonObject, type JsonValue } from "../../../core/json.js";

/** An approval of a workflow. */
export interface Approval {
  /** All of its step. */
  readonly text: string;
  /** The steps that come after it, near or far, by their ids, and what each says of when it runs. */
  readonly guarded: ReadonlyMap<string, string>;
}

/** Names of steps in expressions: `steps.load`, `` steps.`load-all` ``. */
const STEP_IN_EXPRESSION = /\bsteps\s*\.\s*(?:`([^`]+)`|([A-Za-z_]\w*))/g;

/** The approvals of a workflow definition, valid or not, by the ids of their steps. */
export function readApprovals(definition: JsonValue): Map<string, Approval> {
  const given = isJsonObject(definition) ? definition["steps"] : undefined;
  const steps = (Array.isArray(given) ? given : []).filter(isStep);
  const sources = new Map(steps.map((step) => [step.id, readSources(step)]));
  const approvals = steps.filter((step) => step["uses"] === "builtin:approval");
  return new Map(
    approvals.map((approval) => {
      const after = findAfter(approval.id, sources);
      const guarded = steps
        .filter((step) => after.has(step.id))
        .map((step) => [step.id, whenOf(step)] as const);
      return [approval.id, { text: JSON.stringify(approval), guarded: new Map(guarded) }];
    }),
  );
}

type Step = JsonObject & { readonly id: string };

function isStep(value: JsonValue): value is Step {
  return isJsonObject(value) && typeof value["id"] === "string";
}

/** A step that runs whatever became of those before it waits for an approval, and does not heed it. */
function whenOf(step: Step): string {
  return JSON.stringify([step["runAfter"] ?? null, step["when"] ?? null]);
}

/** The steps that a step waits for: named, or read from. */
function readSources(step: Step): Set<string> {
  const sources = new Set<string>();
  const open: JsonValue[] = [step];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next === "string")
      for (const [, quoted, plain] of next.matchAll(STEP_IN_EXPRESSION)) sources.add(quoted ?? plain ?? "");
    else if (Array.isArray(next)) for (const item of next) open.push(item);
    else if (isJsonObject(next)) {
      if (typeof next["step"] === "string") sources.add(next["step"]);
      for (const member of Object.values(next)) open.push(member);
    }
  }
  const named = step["dependsOn"];
  for (const id of Array.isArray(named) ? named : []) if (typeof id === "string") sources.add(id);
  return sources;
}

function findAfter(id: string, sources: ReadonlyMap<string, ReadonlySet<string>>): Set<string> {
  const found = new Set([id]);
  for (let before = 0; before < found.size; ) {
    before = found.size;
    for (const [step, from] of sources) if ([...from].some((source) => found.has(source))) found.add(step);
  }
  found.delete(id);
  return found;
}
