import { applyPatch as applyInPlace, type Operation } from "rfc6902";
import type { PatchOperation } from "../../../contracts/api/copilot.js";
import { parsePointer } from "../../../core/json-pointer.js";
import type { JsonValue } from "../../../core/json.js";

/** Operations beyond this many are no suggestion but another document. */
export const MOST_OPERATIONS = 200;
/** Of the patch as JSON. */
const MOST_CHARACTERS = 256 * 1024;
/** Of what comes out of it. */
const MOST_RESULT_CHARACTERS = 10 * 1024 * 1024;
const MOST_DEPTH = 100;
const FORBIDDEN_NAMES = new Set(["__proto__", "constructor", "prototype"]);

/** A patched copy, or why there is none. */
export type Patched = { readonly value: JsonValue } | { readonly fault: string };

/**
 * Applies a JSON Patch (RFC 6902) to a copy. All of it or nothing: an operation that leads nowhere, a pointer or a value
 * that reaches for a prototype, and sizes that no suggestion has are faults.
 */
export function applyPatch(value: JsonValue, patch: readonly PatchOperation[]): Patched {
  if (patch.length === 0) return { fault: "the patch is empty" };
  if (patch.length > MOST_OPERATIONS)
    return { fault: `the patch has more than ${MOST_OPERATIONS} operations` };
  if (JSON.stringify(patch).length > MOST_CHARACTERS) return { fault: "the patch is too large" };
  const fault = patch.map(findOperationFault).find((one) => one !== undefined);
  if (fault !== undefined) return { fault };
  // below a root of our own, so that the whole document can be replaced as well
  const holder = { document: copyOf(value) as JsonValue | undefined };
  for (const operation of patch) {
    const { op, path } = operation;
    try {
      if (!applyOne(holder, operation)) return { fault: `the operation "${op}" at "${path}" leads nowhere` };
    } catch (error) {
      return { fault: `the patch cannot be applied: ${(error as Error).message}` };
    }
  }
  if (holder.document === undefined) return { fault: "the patch removes everything" };
  const text = JSON.stringify(holder.document);
  if (text.length > MOST_RESULT_CHARACTERS) return { fault: "what comes out of the patch is too large" };
  // a copy through JSON: no part of the patch is shared, and arrays have no holes
  return { value: JSON.parse(text) as JsonValue };
}

function findOperationFault({ op, path, from, value }: PatchOperation): string | undefined {
  for (const pointer of [path, from]) {
    if (pointer === undefined) continue;
    const tokens = parsePointer(pointer);
    if (!tokens) return `"${pointer.slice(0, 200)}" is no JSON Pointer`;
    if (tokens.length > MOST_DEPTH) return "a pointer goes too deep";
  }
  const needsFrom = op === "move" || op === "copy";
  if (needsFrom !== (from !== undefined)) return needsFrom ? `"${op}" lacks from` : `"${op}" has a from`;
  const needsValue = op === "add" || op === "replace" || op === "test";
  if (needsValue !== (value !== undefined))
    return needsValue ? `"${op}" lacks a value` : `"${op}" has a value`;
  if (op === "move" && (path === from || path.startsWith(`${from}/`)))
    return "a value cannot move into itself";
  return value !== undefined && !isHarmless(value, 0)
    ? "a value goes too deep, or has a member that reaches for a prototype"
    : undefined;
}

/** Whether JSON can be taken over as data. */
export function isHarmless(value: unknown, depth = 0): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (depth > MOST_DEPTH) return false;
  if (Array.isArray(value)) return value.every((item) => isHarmless(item, depth + 1));
  return Object.entries(value).every(
    ([name, member]) => !FORBIDDEN_NAMES.has(name) && isHarmless(member, depth + 1),
  );
}

/** One operation; false: it leads nowhere. */
function applyOne(holder: { document: JsonValue | undefined }, operation: PatchOperation): boolean {
  const under = underHolder(operation);
  const makesMember = under.op === "add" || under.op === "move" || under.op === "copy";
  if (!isWithin(holder, under.path, makesMember)) return false;
  if ("from" in under && !isWithin(holder, under.from, false)) return false;
  return applyInPlace(holder, [under]).every((result) => result === null);
}

/**
 * Whether a pointer stays among a document's own members and items. The library would follow it on to what objects and
 * arrays inherit, which every object of this process shares, and to the length of an array.
 */
function isWithin(root: object, pointer: string, mayBeNew: boolean): boolean {
  const tokens = parsePointer(pointer) ?? [];
  let value: unknown = root;
  return tokens.every((token, at) => {
    const isLast = at === tokens.length - 1;
    if (typeof value !== "object" || value === null || FORBIDDEN_NAMES.has(token)) return false;
    if (Array.isArray(value) && !/^(?:0|[1-9]\d{0,9})$/.test(token))
      return isLast && mayBeNew && token === "-";
    if (!Object.hasOwn(value, token)) return isLast && mayBeNew;
    value = (value as Record<string, unknown>)[token];
    return true;
  });
}

function underHolder({ op, path, from, value }: PatchOperation): Operation {
  return {
    op,
    path: `/document${path}`,
    ...(from === undefined ? {} : { from: `/document${from}` }),
    ...(value === undefined ? {} : { value: copyOf(value) }),
  } as Operation;
}

/** Through JSON: what is applied is data, whatever realm it came from. */
function copyOf<Value>(value: Value): Value {
  return JSON.parse(JSON.stringify(value)) as Value;
}
