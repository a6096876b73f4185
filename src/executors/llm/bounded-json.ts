import type { JsonValue } from "../../core/json.js";

/** A value as it is, or its beginning as text when its JSON is longer than `maxCharacters`. */
export function boundJson(value: JsonValue, maxCharacters: number): JsonValue {
  const text = JSON.stringify(value);
  if (text.length <= maxCharacters) return value;
  return { isTruncated: true, characters: text.length, preview: text.slice(0, maxCharacters).toWellFormed() };
}

/** JSON for a model to read, with a note where it was cut. */
export function toModelText(value: JsonValue, maxCharacters: number): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (text.length <= maxCharacters) return text;
  const head = text.slice(0, maxCharacters).toWellFormed();
  return `${head}\n[cut: ${text.length - maxCharacters} of ${text.length} characters left out]`;
}
