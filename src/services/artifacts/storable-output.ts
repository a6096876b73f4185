import type { JsonValue } from "../../core/json.js";
import { ExecutionError } from "../../executors/types.js";

/** Outputs up to this size live in their row; larger ones in the artifact store. */
const MAX_ROW_BYTES = 256 * 1024;

/** An output as it will be stored. */
export interface StorableOutput {
  /** The value, or null when it goes to the artifact store. */
  readonly value: JsonValue;
  /** The JSON text, when it is too large for a row. */
  readonly large?: string;
}

/**
 * Decides where an output goes.
 * @throws ExecutionError `invalid_output` when it is over the limit or holds what JSON columns refuse.
 */
export function toStorableOutput(value: JsonValue, maxBytes: number): StorableOutput {
  const text = JSON.stringify(value);
  if (text === undefined) throw new ExecutionError("invalid_output", "The output is no JSON value");
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes) {
    throw new ExecutionError(
      "invalid_output",
      `The output has ${bytes} bytes, more than the limit of ${maxBytes}`,
    );
  }
  if (text.includes("\\u0000"))
    throw new ExecutionError("invalid_output", "The output holds a NUL character");
  if (/\\ud[89a-f]/i.test(text))
    throw new ExecutionError("invalid_output", "The output holds half a surrogate pair");
  return bytes > MAX_ROW_BYTES ? { value: null, large: text } : { value };
}

/** Inputs as they are kept for people to read: whole, or a note that they were too large. */
export function toShownInputs(value: JsonValue): JsonValue {
  const bytes = Buffer.byteLength(JSON.stringify(value));
  return bytes > MAX_ROW_BYTES ? { $omitted: `${bytes} bytes of inputs are too large to be kept` } : value;
}
