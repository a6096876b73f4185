import { isJsonObject, type JsonObject, type JsonValue } from "./json.js";
import { toPointer } from "./json-pointer.js";
import { canonicalJson, type ContractTool } from "./tool-contract.js";

/**
 * What a change means to whoever calls the tool: words alone; a call that was right is still right; a call that was
 * right, or a use of its result, may now be wrong.
 */
export type ToolChangeKind = "description" | "compatible" | "breaking";

/** One difference between two lists of tools. */
export interface ToolChange {
  readonly tool: string;
  readonly kind: ToolChangeKind;
  /** JSON Pointer into the tool. */
  readonly path: string;
  readonly message: string;
}

/** All differences, and the gravest of them. */
export interface ToolDiff {
  readonly kind: "none" | ToolChangeKind;
  readonly changes: readonly ToolChange[];
}

/** What a change does to the values that a schema takes; `extends` names what was unknown before. */
type Effect = "widens" | "narrows" | "extends" | "breaks" | "annotates";
type Path = readonly string[];
type Report = (path: Path, effect: Effect, message: string) => void;

const ORDER = ["none", "description", "compatible", "breaking"] as const;
const ANNOTATIONS = new Set(["description", "title", "examples", "$comment", "$schema", "deprecated"]);
/** Bounds that take fewer values the larger they are, and the others. */
const LOWER_BOUNDS = new Set(["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"]);
const UPPER_BOUNDS = new Set(["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"]);
const MOST_CHANGES = 200;

/** Compares two lists of tools. At most 200 changes are named, though all are judged. */
export function diffTools(before: readonly ContractTool[], after: readonly ContractTool[]): ToolDiff {
  const changes: ToolChange[] = [];
  const old = new Map(before.map((tool) => [tool.name, tool]));
  const live = new Map(after.map((tool) => [tool.name, tool]));
  for (const name of old.keys()) {
    if (!live.has(name)) changes.push({ tool: name, kind: "breaking", path: "", message: "was removed" });
  }
  for (const [name, tool] of live) {
    const known = old.get(name);
    if (known) changes.push(...diffTool(known, tool));
    else changes.push({ tool: name, kind: "compatible", path: "", message: "was added" });
  }
  const rank = Math.max(0, ...changes.map((change) => ORDER.indexOf(change.kind)));
  return { kind: ORDER[rank] ?? "breaking", changes: changes.slice(0, MOST_CHANGES) };
}

function diffTool(before: ContractTool, after: ContractTool): ToolChange[] {
  const changes: ToolChange[] = [];
  const tool = after.name;
  if (before.description !== after.description) {
    changes.push({ tool, kind: "description", path: "/description", message: "was changed" });
  }
  const reportAs =
    (isInput: boolean): Report =>
    (path, effect, message) =>
      changes.push({ tool, kind: toKind(effect, isInput), path: toPointer(path), message });
  diffSchema(before.inputSchema, after.inputSchema, ["inputSchema"], reportAs(true));
  const { outputSchema: was } = before;
  const { outputSchema: is } = after;
  if (was && is) diffSchema(was, is, ["outputSchema"], reportAs(false));
  else if (was) changes.push({ tool, kind: "breaking", path: "/outputSchema", message: "was removed" });
  else if (is) changes.push({ tool, kind: "compatible", path: "/outputSchema", message: "was added" });
  return changes;
}

/** Callers write inputs and read outputs: what is harmless to the one may break the other. */
function toKind(effect: Effect, isInput: boolean): ToolChangeKind {
  if (effect === "annotates") return "description";
  if (effect === "extends") return "compatible";
  return effect === (isInput ? "widens" : "narrows") ? "compatible" : "breaking";
}

function diffSchema(before: JsonValue, after: JsonValue, path: Path, report: Report): void {
  if (!isJsonObject(before) || !isJsonObject(after)) {
    if (canonicalJson(before) !== canonicalJson(after)) report(path, "breaks", "was changed");
    return;
  }
  diffProperties(before, after, path, report);
  diffRequired(before, after, path, report);
  for (const keyword of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (keyword === "properties" || keyword === "required") continue;
    const was = before[keyword];
    const is = after[keyword];
    if (was !== undefined && is !== undefined && canonicalJson(was) === canonicalJson(is)) continue;
    diffKeyword(keyword, was, is, [...path, keyword], report);
  }
}

function diffProperties(before: JsonObject, after: JsonObject, path: Path, report: Report): void {
  const was = isJsonObject(before["properties"]) ? before["properties"] : {};
  const is = isJsonObject(after["properties"]) ? after["properties"] : {};
  for (const name of Object.keys(was)) {
    if (!Object.hasOwn(is, name)) report([...path, "properties", name], "breaks", "was removed");
  }
  for (const [name, schema] of Object.entries(is)) {
    const at = [...path, "properties", name];
    if (Object.hasOwn(was, name)) diffSchema(was[name] as JsonValue, schema, at, report);
    else report(at, "extends", "was added");
  }
}

function diffRequired(before: JsonObject, after: JsonObject, path: Path, report: Report): void {
  const was = namesOf(before["required"]);
  const is = namesOf(after["required"]);
  for (const name of is) if (!was.has(name)) report([...path, "required"], "narrows", `now names ${name}`);
  for (const name of was) {
    if (!is.has(name)) report([...path, "required"], "widens", `no longer names ${name}`);
  }
}

function diffKeyword(
  keyword: string,
  was: JsonValue | undefined,
  is: JsonValue | undefined,
  path: Path,
  report: Report,
): void {
  if (ANNOTATIONS.has(keyword)) return report(path, "annotates", "was changed");
  if (keyword === "default") return report(path, "extends", "was changed");
  if (keyword === "type" || keyword === "enum") {
    return report(path, compareSets(toList(was), toList(is)), "was changed");
  }
  if (keyword === "additionalProperties" && !isJsonObject(was) && !isJsonObject(is)) {
    return report(path, is === false ? "narrows" : "widens", "was changed");
  }
  if (LOWER_BOUNDS.has(keyword) || UPPER_BOUNDS.has(keyword)) {
    return report(path, compareBounds(was, is, LOWER_BOUNDS.has(keyword)), "was changed");
  }
  if (keyword === "items" && was !== undefined && is !== undefined) return diffSchema(was, is, path, report);
  report(path, was === undefined ? "narrows" : is === undefined ? "widens" : "breaks", "was changed");
}

/** Undefined: any value will do. */
function compareSets(was: readonly string[] | undefined, is: readonly string[] | undefined): Effect {
  if (was === undefined || is === undefined) return was === undefined ? "narrows" : "widens";
  if (was.every((value) => is.includes(value))) return "widens";
  return is.every((value) => was.includes(value)) ? "narrows" : "breaks";
}

function compareBounds(was: JsonValue | undefined, is: JsonValue | undefined, isLower: boolean): Effect {
  if (was === undefined || is === undefined) return was === undefined ? "narrows" : "widens";
  if (typeof was !== "number" || typeof is !== "number") return "breaks";
  return is > was === isLower ? "narrows" : "widens";
}

function toList(value: JsonValue | undefined): string[] | undefined {
  return value === undefined ? undefined : [value].flat().map((one) => canonicalJson(one as JsonValue));
}

function namesOf(value: JsonValue | undefined): Set<string> {
  return new Set(Array.isArray(value) ? value.map(String) : []);
}
