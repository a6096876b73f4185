import { createHash } from "node:crypto";
import { toCanonicalJson } from "../../core/canonical-json.js";
import { isJsonObject, type JsonValue } from "../../core/json.js";
import { toStorableText } from "../../core/storable-text.js";

/** Names of members whose values never enter the audit log, whatever they hold. */
const SECRET_NAME =
  /(?:pass(?:word|phrase|wd)?|secret|token|credentials?|authorization|cookie|ciphertext|dsn|api[-_]?key|private[-_]?key|key[-_]?hash|token[-_]?hash|password[-_]?hash|connection[-_]?string)$/i;
/** Our own API keys, JSON Web Tokens, and passwords inside URLs. */
const SECRET_TEXT = /hr_[A-Za-z0-9_-]{20,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*/g;
const URL_PASSWORD = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*):[^\s/@]+@/gi;
const MASK = "[redacted]";
/** Above this a state is kept as its digest: the log says that it changed, the versions table says how. */
const MOST_CHARS = 64 * 1024;

/**
 * What the audit log keeps of an entity's state: JSON without secrets (judged by member name, and by the look
 * of tokens in text), or `{ truncated, sha256, chars }` when it is longer than 64 KiB.
 */
export function redactState(state: unknown): JsonValue {
  if (state === undefined || state === null) return null;
  const plain = JSON.parse(toCanonicalJson(state)) as JsonValue;
  const redacted = redact(plain);
  const text = JSON.stringify(redacted);
  if (text.length <= MOST_CHARS) return redacted;
  return { truncated: true, chars: text.length, sha256: createHash("sha256").update(text).digest("hex") };
}

function redact(value: JsonValue): JsonValue {
  if (typeof value === "string") {
    return toStorableText(value).replace(SECRET_TEXT, MASK).replace(URL_PASSWORD, `$1:${MASK}@`);
  }
  if (Array.isArray(value)) return value.map(redact);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      toStorableText(name),
      SECRET_NAME.test(name) && member !== null && typeof member !== "boolean" ? MASK : redact(member),
    ]),
  );
}
