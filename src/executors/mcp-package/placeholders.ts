import { isJsonObject, type JsonValue } from "../../core/json.js";
import { type ExecutionContext, ExecutionError } from "../types.js";

/** What placeholders stand for. */
export type PlaceholderValues = Pick<ExecutionContext, "secrets" | "workdir">;

const PLACEHOLDER = /\$\{(workdir|secret:[^}]*)\}/g;
const SECRET = "secret:";

/** The names of the secrets that a text refers to as `${secret:NAME}`, in order. */
export function listSecretNames(text: string): string[] {
  return [...text.matchAll(PLACEHOLDER)].flatMap(([, word = ""]) =>
    word.startsWith(SECRET) ? [word.slice(SECRET.length)] : [],
  );
}

/**
 * The value with every `${secret:NAME}` and `${workdir}` in its texts replaced.
 * @throws ExecutionError `invalid_input` for a secret that the version does not list, or that is not stored.
 */
export function fillPlaceholders<Value extends JsonValue>(value: Value, values: PlaceholderValues): Value {
  return fill(value, values) as Value;
}

function fill(value: JsonValue, values: PlaceholderValues): JsonValue {
  if (typeof value === "string") {
    return value.replace(PLACEHOLDER, (_text, word: string) =>
      word === "workdir" ? values.workdir : findSecret(values.secrets, word.slice(SECRET.length)),
    );
  }
  if (Array.isArray(value)) return value.map((item) => fill(item, values));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, values)]));
}

function findSecret(secrets: PlaceholderValues["secrets"], name: string): string {
  const value = Object.hasOwn(secrets, name) ? secrets[name] : undefined;
  if (value !== undefined) return value;
  throw new ExecutionError(
    "invalid_input",
    `The configuration refers to the secret ${name.slice(0, 100)}, which this version does not list or which is not stored`,
  );
}
