import { isJsonObject, type JsonValue } from "../../core/json.js";
import { ExecutionError } from "../types.js";

const REFERENCE = /\$\{secret:([^}]*)\}/g;

/** The names of the secrets that a text refers to as `${secret:NAME}`, in order. */
export function listSecretNames(text: string): string[] {
  return [...text.matchAll(REFERENCE)].map(([, name = ""]) => name);
}

/**
 * The value with every `${secret:NAME}` in its texts replaced.
 * @throws ExecutionError `invalid_input` for a secret that the version does not list, or that is not stored.
 */
export function insertSecrets<Value extends JsonValue>(
  value: Value,
  secrets: Readonly<Record<string, string>>,
): Value {
  return insert(value, secrets) as Value;
}

function insert(value: JsonValue, secrets: Readonly<Record<string, string>>): JsonValue {
  if (typeof value === "string")
    return value.replace(REFERENCE, (_text, name: string) => find(secrets, name));
  if (Array.isArray(value)) return value.map((item) => insert(item, secrets));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, insert(item, secrets)]));
}

function find(secrets: Readonly<Record<string, string>>, name: string): string {
  const value = Object.hasOwn(secrets, name) ? secrets[name] : undefined;
  if (value !== undefined) return value;
  throw new ExecutionError(
    "invalid_input",
    `The configuration refers to the secret ${name.slice(0, 100)}, which this version does not list or which is not stored`,
  );
}
