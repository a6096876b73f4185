import type { JsonValue } from "../../src/core/json.js";

const MASK = "••••••";
/** Shorter values would blank out half of any log. */
const SHORTEST = 4;

/** Hides secret values in whatever leaves an execution. */
export interface SecretMask {
  text(value: string): string;
  json(value: JsonValue): JsonValue;
}

/** A mask for these values, also in the forms that they take in URLs, base64 and JSON. */
export function createSecretMask(secrets: readonly string[]): SecretMask {
  const forms = [...new Set(secrets.filter((secret) => secret.length >= SHORTEST).flatMap(formsOf))];
  if (forms.length === 0) return { text: (value) => value, json: (value) => value };
  // the longest first, so that a secret which contains another is hidden whole
  forms.sort((one, other) => other.length - one.length);
  const pattern = new RegExp(forms.map(escapeRegExp).join("|"), "g");
  const text = (value: string) => value.replace(pattern, MASK);
  return { text, json: (value) => maskJson(value, text) };
}

function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret, "utf8");
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    bytes.toString("base64"),
    bytes.toString("base64").replace(/=+$/, ""),
    bytes.toString("base64url"),
  ];
}

function escapeRegExp(value: string): string {
  return value.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function maskJson(value: JsonValue, text: (value: string) => string): JsonValue {
  if (typeof value === "string") return text(value);
  if (Array.isArray(value)) return value.map((item) => maskJson(item, text));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [text(key), maskJson(item, text)]));
}
