import { HIDDEN_TEXT } from "../../src/core/hidden-text.js";
import type { JsonValue } from "../../src/core/json.js";
import type { SecretMask } from "../../src/executors/types.js";

/** Shorter values would blank out half of any log. */
const SHORTEST = 4;

/** A mask for text that comes in pieces, too. */
export interface StreamMask extends SecretMask {
  /**
   * Masks text that was shortened somewhere on its way, as messages of errors are: also what stands at the beginning
   * or the end of a text and may be the rest of a secret.
   */
  cut(value: JsonValue): JsonValue;
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
  if (usable.length === 0) return NO_MASK;
  // the longest first, so that a secret which contains another is hidden whole
  usable.sort((one, other) => other.length - one.length);
  const isLong = (form: string) => form.length > MOST_PATTERN_CHARS;
  const long = usable.filter(isLong);
  const short = usable.filter((form) => !isLong(form));
  const pattern = short.length === 0 ? undefined : new RegExp(short.map(escapeRegExp).join("|"), "g");
  const text = (value: string) => {
    const rest = long.reduce((left, form) => left.replaceAll(form, HIDDEN_TEXT), value);
    return pattern === undefined ? rest : rest.replace(pattern, HIDDEN_TEXT);
  };
  const countOpenEnd = createOverlap(usable);
  const hideEdges = createEdgeHider(usable, countOpenEnd);
  return {
    text,
    json: (value) => maskJson(value, text),
    cut: (value) => maskJson(value, (each) => hideEdges(text(each))),
    countOpenEnd: (value) => {
      // a secret that is there as a whole is hidden as a whole: only what follows it may be held back
      return countOpenEnd(value.slice(findEndOfLast(value, long, pattern)));
    },
  };
}

/** A regular expression of all forms has a limit, which forms of large secrets would exceed. */
const MOST_PATTERN_CHARS = 1_000;

function findEndOfLast(text: string, long: readonly string[], pattern: RegExp | undefined): number {
  const [...matches] = pattern === undefined ? [] : text.matchAll(pattern);
  const last = matches.at(-1);
  const ends = long.map((form) => text.lastIndexOf(form) + (text.includes(form) ? form.length : 1));
  return Math.max(0, last ? last.index + last[0].length : 0, ...ends);
}

const NO_MASK: StreamMask = {
  text: (value) => value,
  json: (value) => value,
  cut: (value) => value,
  countOpenEnd: () => 0,
};

/** Shorter rests of secrets are left: they would be found in many an innocent text. */
const SHORTEST_REST = 6;

function createEdgeHider(forms: readonly string[], countOpenEnd: Overlap): (text: string) => string {
  const longest = forms[0]?.length ?? 0;
  let countOpenStart: Overlap | undefined;
  return (text) => {
    const atEnd = countOpenEnd(text);
    const head = atEnd < SHORTEST_REST ? text : `${text.slice(0, -atEnd)}${HIDDEN_TEXT}`;
    countOpenStart ??= createOverlap(forms.map(reverse));
    const atStart = countOpenStart(reverse(head.slice(0, longest)));
    return atStart < SHORTEST_REST ? head : `${HIDDEN_TEXT}${head.slice(atStart)}`;
  };
}

/** Lines that were cut are masked as if they had not been: what may be the beginning of a secret waits for the rest. */
export interface CutLines<Stream extends string> {
  mask(stream: Stream, message: string, cut?: { readonly continues: boolean }): string;
  /** What still waits: the line that was begun will not go on. */
  end(): { readonly stream: Stream; readonly text: string }[];
}

/** See {@link CutLines}. */
export function createCutLines<Stream extends string>(mask: StreamMask): CutLines<Stream> {
  const open = new Map<Stream, string>();
  return {
    mask(stream, message, cut) {
      const text = (open.get(stream) ?? "") + message;
      const held = cut?.continues === true ? mask.countOpenEnd(text) : 0;
      if (held > 0) open.set(stream, text.slice(text.length - held));
      else open.delete(stream);
      return mask.text(text.slice(0, text.length - held));
    },
    end() {
      const rest = [...open].map(([stream, text]) => ({ stream, text: mask.text(text) }));
      open.clear();
      return rest;
    },
  };
}

/** How many characters at the end of a text are the beginning of a form, and not all of it: at most, of several. */
type Overlap = (text: string) => number;

function createOverlap(forms: readonly string[]): Overlap {
  // prefix tables (Knuth, Morris, Pratt): secrets may be long, and this is asked for every token of a stream
  const tables = forms.map((form) => ({ form, table: [0] }));
  for (const { form, table } of tables) {
    for (let at = 1, count = 0; at < form.length; at += 1) {
      count = extend(form, table, count, form[at]);
      table.push(count);
    }
  }
  return (text) =>
    tables.reduce((most, { form, table }) => {
      let count = 0;
      for (let at = Math.max(0, text.length - form.length + 1); at < text.length; at += 1)
        count = extend(form, table, count, text[at]);
      return Math.max(most, count);
    }, 0);
}

function extend(form: string, table: readonly number[], from: number, next: string | undefined): number {
  let count = from;
  while (count > 0 && form[count] !== next) count = table[count - 1] ?? 0;
  return form[count] === next ? count + 1 : count;
}

/** By code units, as positions in a text are counted. */
function reverse(text: string): string {
  let reversed = "";
  for (let at = text.length - 1; at >= 0; at -= 1) reversed += text[at];
  return reversed;
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
