import { HIDDEN_TEXT } from "../../src/core/hidden-text.js";
import type { JsonValue } from "../../src/core/json.js";
import type { SecretMask } from "../../src/executors/types.js";

/** Shorter values would blank out half of any log. */
const SHORTEST = 4;

/** A mask for text that comes in pieces, too. */
export interface StreamMask extends SecretMask {
  /** How many characters at the end of a text may be the beginning of a secret, of which the rest is to come. */
  countOpenEnd(text: string): number;
}

/**
 * A mask for these values, whole and line by line, also in the forms that programs give them on the way out:
 * escaped for JSON and URLs, in hexadecimal, and in base64 wherever they stand in the encoded text.
 */
export function createSecretMask(secrets: readonly string[]): StreamMask {
  const parts = secrets.flatMap((secret) => [secret, ...secret.split(/\r?\n/)]).map((part) => part.trim());
  const forms = [...new Set(parts.filter((part) => part.length >= SHORTEST).flatMap(formsOf))];
  const usable = forms.filter((form) => form.length >= SHORTEST);
  if (usable.length === 0) return { text: (value) => value, json: (value) => value, countOpenEnd: () => 0 };
  // the longest first, so that a secret which contains another is hidden whole
  usable.sort((one, other) => other.length - one.length);
  const pattern = new RegExp(usable.map(escapeRegExp).join("|"), "g");
  const text = (value: string) => value.replace(pattern, HIDDEN_TEXT);
  return {
    text,
    json: (value) => maskJson(value, text),
    countOpenEnd: (value) => {
      // a secret that is there as a whole is hidden as a whole: only what follows it may be held back
      const [...whole] = value.matchAll(pattern);
      const last = whole.at(-1);
      return countOpenEnd(last ? value.slice(last.index + last[0].length) : value, usable);
    },
  };
}

function countOpenEnd(text: string, forms: readonly string[]): number {
  const longest = Math.min(text.length, (forms[0]?.length ?? 0) - 1);
  for (let count = longest; count > 0; count -= 1) {
    const end = text.slice(-count);
    if (forms.some((form) => form.length > count && form.startsWith(end))) return count;
  }
  return 0;
}

function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret, "utf8");
  const json = JSON.stringify(secret).slice(1, -1);
  const urls = [encodeURIComponent(secret), strictUrl(secret), strictUrl(secret).replaceAll("%2F", "/")];
  return [
    secret,
    json,
    asciiJson(json),
    JSON.stringify(json).slice(1, -1),
    secret.replaceAll("\\", "\\\\").replaceAll("'", "\\'"),
    ...urls.flatMap((url) => [url, url.replaceAll("%20", "+"), lowerEscapes(url)]),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
    ...base64Cores(bytes),
  ];
}

/** Python's `quote` escapes more than `encodeURIComponent` does. */
function strictUrl(secret: string): string {
  return encodeURIComponent(secret).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function lowerEscapes(url: string): string {
  return url.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase());
}

/** Python's `json.dumps` writes everything beyond ASCII as `\uXXXX`. */
function asciiJson(json: string): string {
  return json.replace(/[\u0080-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/**
 * The base64 characters that depend on nothing but the secret, for each of the three places that it can have
 * within a group of three bytes: `base64("user:" + secret)` shifts it.
 */
function base64Cores(bytes: Buffer): string[] {
  return [0, 1, 2].flatMap((offset) => {
    const padded = Buffer.concat([Buffer.alloc(offset), bytes]);
    const first = offset === 0 ? 0 : offset + 1;
    const last = Math.floor((padded.length * 8) / 6);
    const core = (encoding: "base64" | "base64url") => padded.toString(encoding).slice(first, last);
    return [core("base64"), core("base64url")];
  });
}

function escapeRegExp(value: string): string {
  return value.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function maskJson(value: JsonValue, text: (value: string) => string): JsonValue {
  if (typeof value === "string") return text(value);
  // a PIN that was turned into a number is still the PIN
  if (typeof value === "number") return text(String(value)) === String(value) ? value : HIDDEN_TEXT;
  if (Array.isArray(value)) return value.map((item) => maskJson(item, text));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [text(key), maskJson(item, text)]));
}
