import { toPointer } from "../core/json-pointer.js";
import { AppError, type FieldFault } from "../errors/app-error.js";

/** Deepest nesting of a body: beyond it, what reads the value by recursion could run out of stack. */
export const MAX_DEPTH = 200;

/**
 * The text of a body.
 * @throws AppError MALFORMED_JSON when the bytes are not UTF-8.
 */
export function decodeText(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AppError("MALFORMED_JSON", "The body is not valid UTF-8", { cause });
  }
}

/**
 * Reads JSON. Of members with the same name the last one counts.
 * @throws AppError MALFORMED_JSON for what is no JSON or is nested too deeply.
 */
export function parseJson(text: string): unknown {
  assertShallow(text);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    // V8's own message quotes the body, which may hold a secret
    throw new AppError("MALFORMED_JSON", "The body is not valid JSON", { cause });
  }
}

function assertShallow(text: string): void {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === 0x22) {
      at = endOfString(text, at);
    } else if (char === 0x5b || char === 0x7b) {
      depth += 1;
      if (depth > MAX_DEPTH) {
        throw new AppError("MALFORMED_JSON", `The body is nested deeper than ${MAX_DEPTH} levels`);
      }
    } else if (char === 0x5d || char === 0x7d) {
      depth -= 1;
    }
  }
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    if (char === 0x5c) at += 1;
    else if (char === 0x22) return at;
  }
  return text.length;
}

const UNSTORABLE = /\u0000|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const MOST_FAULTS = 100;

/** Whether text holds NUL or half of a surrogate pair: PostgreSQL refuses both. */
export function isUnstorable(text: string): boolean {
  return UNSTORABLE.test(text);
}

/** What no field may hold, whatever its schema: unstorable text, endless numbers, a name that reaches prototypes. */
export function findUnfitValues(value: unknown): FieldFault[] {
  const faults: FieldFault[] = [];
  visit(value, [], faults);
  return faults;
}

function visit(value: unknown, path: (string | number)[], faults: FieldFault[]): void {
  if (faults.length >= MOST_FAULTS) return;
  if (typeof value === "string") {
    if (isUnstorable(value)) faults.push({ path: toPointer(path), message: "holds NUL or half a character" });
  } else if (typeof value === "number") {
    if (!Number.isFinite(value)) faults.push({ path: toPointer(path), message: "is not a finite number" });
  } else if (Array.isArray(value)) {
    value.forEach((item, index) => visit(item, [...path, index], faults));
  } else if (typeof value === "object" && value !== null) {
    for (const name of Object.keys(value)) {
      const at = [...path, name];
      if (name === "__proto__") faults.push({ path: toPointer(at), message: "unknown field" });
      else if (isUnstorable(name))
        faults.push({ path: toPointer(path), message: "has a field whose name cannot be stored" });
      else visit((value as Record<string, unknown>)[name], at, faults);
    }
  }
}
