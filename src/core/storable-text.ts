import { isJsonObject, type JsonValue } from "./json.js";

/** Text that PostgreSQL can hold: no NUL, no half of a surrogate pair. */
export function toStorableText(text: string): string {
  return text
    .replaceAll("\u0000", "\ufffd")
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
}

/** A value with all of its texts and names as PostgreSQL can hold them. */
export function toStorableJson<Value extends JsonValue>(value: Value): Value;
export function toStorableJson(value: JsonValue): JsonValue {
  if (typeof value === "string") return toStorableText(value);
  if (Array.isArray(value)) return value.map((item) => toStorableJson<JsonValue>(item));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [toStorableText(name), toStorableJson<JsonValue>(item)]),
  );
}
