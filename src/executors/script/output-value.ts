import { toPointer } from "../../core/json-pointer.js";
import { isJsonObject, type JsonValue } from "../../core/json.js";
import { ExecutionError } from "../types.js";

/** Deeper values break JSON readers that recurse, PostgreSQL's among them. */
const MAX_DEPTH = 200;
const UNSTORABLE = /[\0\p{Surrogate}]/u;

/**
 * An output that came as JSON, checked for what parsing lets through and storage does not.
 * @throws ExecutionError `invalid_output` with the place in the value.
 */
export function assertStorable(value: unknown): JsonValue {
  const open: Branch[] = [];
  visit(value, [], open);
  for (let branch = open.pop(); branch; branch = open.pop()) {
    const { value: parent, path } = branch;
    for (const [name, member] of Object.entries(parent)) {
      if (!Array.isArray(parent) && UNSTORABLE.test(name)) {
        throw invalidOutput(toPointer(path), "has a name with a NUL or half a character");
      }
      visit(member, path, open, name);
    }
  }
  return value as JsonValue;
}

interface Branch {
  readonly value: object;
  readonly path: readonly string[];
}

/** Judges a scalar at once, and keeps the rest for later; a path is only built where it is needed. */
function visit(value: unknown, parentPath: readonly string[], open: Branch[], name?: string): void {
  const isBranch = typeof value === "object" && value !== null;
  const fault = findFault(value);
  if (!isBranch && !fault) return;
  const path = name === undefined ? parentPath : [...parentPath, name];
  if (fault) throw invalidOutput(toPointer(path), fault);
  if (path.length > MAX_DEPTH) throw invalidOutput("", `is nested deeper than ${MAX_DEPTH} levels`);
  if (isBranch) open.push({ value, path });
}

function findFault(value: unknown): string | undefined {
  if (typeof value === "number" && !Number.isFinite(value)) return "is a number too large for JSON readers";
  if (typeof value === "string" && UNSTORABLE.test(value)) return "has a NUL or half a character";
  return undefined;
}

/** The error for an output that cannot be kept. */
function invalidOutput(path: string, why: string): ExecutionError {
  const where = path === "" ? "" : ` at ${path}`;
  const shown = path.length > 200 ? "" : path;
  return new ExecutionError("invalid_output", `The output${shown && where} ${why}`, {
    details: { path: shown },
  });
}

/** The error for an output that is larger than the limit. */
export function oversizedOutput(maxOutputBytes: number): ExecutionError {
  return new ExecutionError(
    "invalid_output",
    `The output has more than the limit of ${maxOutputBytes} bytes`,
    {
      details: { maxOutputBytes },
    },
  );
}

/** Keeps what a script without `main` prints, since that is its output. */
export interface StdoutCapture {
  push(chunk: Buffer): void;
  /** Forgets everything: the script has a `main`, so prints are only logs. */
  drop(): void;
  /** The last line when it is a JSON object, else everything as `{ rawStdout }`. */
  toOutput(): JsonValue;
}

/** Holds at most `maxOutputBytes`; of more, only the end, in which the last line may still be a JSON object. */
export function createStdoutCapture(maxOutputBytes: number): StdoutCapture {
  let chunks: Buffer[] = [];
  let heldBytes = 0;
  let isOver = false;
  let isWanted = true;

  return {
    push(chunk) {
      if (!isWanted) return;
      chunks.push(chunk);
      heldBytes += chunk.length;
      while (heldBytes > maxOutputBytes && chunks.length > 1) {
        isOver = true;
        heldBytes -= chunks.shift()?.length ?? 0;
      }
    },
    drop() {
      isWanted = false;
      isOver = false;
      chunks = [];
      heldBytes = 0;
    },
    toOutput() {
      const text = Buffer.concat(chunks).toString("utf8");
      const lines = text.trimEnd();
      const lineStart = lines.lastIndexOf("\n") + 1;
      const isWhole = !isOver || lineStart > 0;
      const object = isWhole ? parseObject(lines.slice(lineStart)) : undefined;
      if (object !== undefined) return assertStorable(object);
      if (isOver || heldBytes > maxOutputBytes) throw oversizedOutput(maxOutputBytes);
      return { rawStdout: text.replaceAll("\0", "\uFFFD") };
    },
  };
}

function parseObject(line: string): JsonValue | undefined {
  if (!line.trimStart().startsWith("{")) return undefined;
  try {
    const value: JsonValue = JSON.parse(line);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
