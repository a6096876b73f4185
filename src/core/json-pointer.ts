import type { JsonValue } from "./json.js";

const TOKEN = /^(?:[^~/]|~0|~1)*$/;
/** Names that would reach an object's prototype rather than its data, and one that means a path, not a pointer. */
const FORBIDDEN = new Set(["__proto__", "constructor", "prototype", ".."]);

/** Escapes one member name for use in a JSON Pointer (RFC 6901 §3). */
export function escapePointerToken(token: string): string {
  return token.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** A JSON Pointer from member names and indices. */
export function toPointer(tokens: readonly (string | number)[]): string {
  return tokens.map((token) => `/${escapePointerToken(String(token))}`).join("");
}

/** The tokens of a JSON Pointer, or undefined when it is not one (or would reach a prototype, or climbs). */
export function parsePointer(pointer: string): string[] | undefined {
  if (pointer === "") return [];
  if (!pointer.startsWith("/")) return undefined;
  const tokens = pointer.slice(1).split("/");
  if (!tokens.every((token) => TOKEN.test(token))) return undefined;
  const unescaped = tokens.map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
  return unescaped.some((token) => FORBIDDEN.has(token)) ? undefined : unescaped;
}

/** What a JSON Pointer names in a value, or undefined when nothing is there. Reads own members only. */
export function resolvePointer(value: JsonValue, pointer: string): JsonValue | undefined {
  const tokens = parsePointer(pointer);
  if (!tokens) return undefined;
  let current: JsonValue | undefined = value;
  for (const token of tokens) {
    if (Array.isArray(current)) {
      current = /^(0|[1-9][0-9]*)$/.test(token) ? current[Number(token)] : undefined;
    } else if (typeof current === "object" && current !== null && Object.hasOwn(current, token)) {
      current = current[token];
    } else {
      return undefined;
    }
  }
  return current;
}
