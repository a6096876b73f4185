import { secretNameSchema } from "../../contracts/workflow-definition.js";
import { toPointer } from "../../core/json-pointer.js";
import { isJsonObject, type JsonValue } from "../../core/json.js";

/** Text that looks like a secret, and where it stands. */
export interface PlainSecret {
  /** JSON Pointer of the string that holds it. */
  readonly path: string;
  /** What it looks like. */
  readonly what: string;
  readonly text: string;
  /** Whether the string is nothing else. */
  readonly isWhole: boolean;
}

/** Forms that nothing but a secret has. */
const FORMS: readonly (readonly [string, RegExp])[] = [
  [
    "a private key",
    /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[\s\S]{20,}?(?:-----END (?:[A-Z]+ )*PRIVATE KEY-----|$)/g,
  ],
  ["an AWS access key", /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g],
  ["a GitHub token", /\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{40,})\b/g],
  ["a GitLab token", /\bglpat-[A-Za-z0-9_-]{20,}\b/g],
  ["a Slack token", /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/g],
  ["an OpenAI key", /\bsk-(?:proj-|ant-|or-)?[A-Za-z0-9_-]{20,}/g],
  ["a Google API key", /\bAIza[A-Za-z0-9_-]{35}\b/g],
  ["a Stripe key", /\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}\b/g],
  ["an npm token", /\bnpm_[A-Za-z0-9]{36}\b/g],
  ["a Headrace API key", /\bhr_[A-Za-z0-9_-]{20,}/g],
  ["a JSON Web Token", /\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}/g],
  ["a password in a URL", /\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@"']{1,100}:([^\s/@"'${}<>]{3,200})@/gi],
  ["a bearer token", /\bBearer\s+([A-Za-z0-9._~+/-]{20,}=*)/g],
];

/** Names that say what their value is. */
const TELLING_NAME =
  /(?:^|[_\-.])(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?|auth)$/i;
const CAMEL_NAME = /(?:Password|Secret|Token|ApiKey|AccessKey|PrivateKey|Credentials?)$/;
/** `PASSWORD = "…"` in code. */
const ASSIGNMENT = /\b([A-Za-z_][A-Za-z0-9_]*)\s*[:=]\s*(?:f|r|b)?(["'`])([^"'`\n]{6,200})\2/g;
/** What stands where a secret will be put. */
const PLACEHOLDER =
  /^(?:\$\{.*|\{\{.*|<.*>|\*+|x+|\.+|changeme|change-me|example|dummy|test|none|null|undefined|your[-_ ].*|.*\b(?:here|placeholder)\b.*)$/i;

/** Everything in a JSON value that looks like a secret in plain text. */
export function findPlainSecrets(value: JsonValue): PlainSecret[] {
  const found: PlainSecret[] = [];
  const visit = (item: JsonValue, tokens: (string | number)[], name: string): void => {
    // `{ secret: NAME }` is how it should be
    if (name === "secret" && typeof item === "string" && secretNameSchema.safeParse(item).success) return;
    if (typeof item === "string") found.push(...inText(item, toPointer(tokens), name));
    else if (Array.isArray(item)) item.forEach((member, at) => visit(member, [...tokens, at], name));
    else if (isJsonObject(item)) {
      for (const [key, member] of Object.entries(item)) {
        // `{ token: { value: "…" } }` is a constant called token
        visit(member, [...tokens, key], key === "value" ? name : key);
      }
    }
  };
  visit(value, [], "");
  return found;
}

function inText(text: string, path: string, name: string): PlainSecret[] {
  if (text.length > 1024 * 1024) return [];
  const found: PlainSecret[] = [];
  const add = (what: string, secret: string) => {
    if (secret === "" || PLACEHOLDER.test(secret) || found.some((one) => one.text.includes(secret))) return;
    found.push({ path, what, text: secret, isWhole: secret === text.trim() });
  };
  for (const [what, form] of FORMS) for (const match of text.matchAll(form)) add(what, match[1] ?? match[0]);
  if (isTelling(name) && text.length >= 6 && text.length <= 500 && !/\s/.test(text.trim()))
    add(`the value of ${name}`, text);
  for (const [, variable = "", , secret = ""] of text.matchAll(ASSIGNMENT))
    if (isTelling(variable) && !/\s/.test(secret)) add(`the value of ${variable}`, secret);
  return found;
}

function isTelling(name: string): boolean {
  return TELLING_NAME.test(name) || CAMEL_NAME.test(name);
}

/** A beginning by which its owner knows it, and nobody else can use it. */
export function hint(secret: string): string {
  return secret.length < 12 ? "…" : `${secret.slice(0, 4)}…`;
}

const HIDDEN = "[hidden]";

/** The same value with everything in it that looks like a secret hidden: what leaves the house is this. */
export function withoutPlainSecrets<Value extends JsonValue>(value: Value): Value {
  const secrets = [...new Set(findPlainSecrets(value).map(({ text }) => text))].sort(
    (one, other) => other.length - one.length,
  );
  if (secrets.length === 0) return value;
  const hide = (item: JsonValue): JsonValue => {
    if (typeof item === "string")
      return secrets.reduce((text, secret) => text.replaceAll(secret, HIDDEN), item);
    if (Array.isArray(item)) return item.map(hide);
    if (!isJsonObject(item)) return item;
    return Object.fromEntries(Object.entries(item).map(([name, member]) => [name, hide(member)]));
  };
  return hide(value) as Value;
}
