import { parsePointer } from "../../core/json-pointer.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../core/json.js";

/** Where a pointer leads in the values of a schema. */
export type SchemaPlace =
  | { readonly kind: "schema"; readonly schema: JsonObject }
  /** No value that fits has anything there; `known`: what there is in its place. */
  | {
      readonly kind: "missing";
      readonly token: string;
      readonly known: readonly string[];
      readonly depth: number;
    }
  | { readonly kind: "unknown" };

const COMPOSING = ["$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "patternProperties"];

/** Follows a JSON Pointer through a schema, as far as that can be told without values. */
export function followSchema(schema: JsonObject, pointer: string): SchemaPlace {
  let current: JsonObject = schema;
  for (const [depth, token] of (parsePointer(pointer) ?? []).entries()) {
    if (COMPOSING.some((keyword) => current[keyword] !== undefined)) return { kind: "unknown" };
    const properties = isJsonObject(current["properties"]) ? current["properties"] : undefined;
    const types = typesOf(current);
    let next: JsonValue | undefined;
    if (properties && Object.hasOwn(properties, token)) next = properties[token];
    else if (/^\d+$/.test(token) && (types?.includes("array") ?? false)) next = current["items"];
    else if (
      properties &&
      current["additionalProperties"] !== true &&
      !isJsonObject(current["additionalProperties"])
    )
      return { kind: "missing", token, known: Object.keys(properties), depth };
    if (!isJsonObject(next)) return { kind: "unknown" };
    current = next;
  }
  return { kind: "schema", schema: current };
}

/** The types that a schema lets through; undefined when it does not say. */
export function typesOf({ type, const: constant, enum: values }: JsonObject): string[] | undefined {
  if (typeof type === "string") return [type];
  if (Array.isArray(type)) return type.filter((one) => typeof one === "string");
  if (constant !== undefined) return [typeOf(constant)];
  return Array.isArray(values) ? [...new Set(values.map(typeOf))] : undefined;
}

/** The JSON Schema type of a value; whole numbers are integers. */
export function typeOf(value: JsonValue): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

/** Whether a value of one of these types may be one of those. */
export function canFit(given: readonly string[], wanted: readonly string[]): boolean {
  return given.some(
    (type) =>
      wanted.includes(type) ||
      (type === "integer" && wanted.includes("number")) ||
      (type === "number" && wanted.includes("integer")),
  );
}

/** The candidate that a misspelt name most likely means; undefined when none is near, or two are as near. */
export function nearestName(name: string, candidates: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(Math.max(name.length, 3) / 3));
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((one, other) => one.distance - other.distance);
  const [best, second] = ranked;
  return best && best.distance !== second?.distance ? best.candidate : undefined;
}

/** Letters put in, left out, changed, or swapped with their neighbour. */
function editDistance(one: string, other: string): number {
  if (Math.abs(one.length - other.length) > 20) return FAR;
  let beforeLast: number[] = [];
  let last = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let at = 1; at <= one.length; at += 1) {
    const row = [at];
    for (let to = 1; to <= other.length; to += 1) {
      const change = (last[to - 1] ?? FAR) + (one[at - 1] === other[to - 1] ? 0 : 1);
      const isSwap = one[at - 1] === other[to - 2] && one[at - 2] === other[to - 1];
      const swap = isSwap ? (beforeLast[to - 2] ?? FAR) + 1 : FAR;
      row.push(Math.min(change, swap, (last[to] ?? FAR) + 1, (row[to - 1] ?? FAR) + 1));
    }
    beforeLast = last;
    last = row;
  }
  return last[other.length] ?? FAR;
}

const FAR = 99;
