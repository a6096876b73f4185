import { Composer, type CST, type Document, isMap, isPair, isScalar, Lexer, Parser, visit } from "yaml";
import type { FieldFault } from "../errors/app-error.js";
import { MAX_DEPTH } from "./parse-json.js";

/** Aliases may save typing, not blow a small text up into a huge value. */
const MAX_ALIASES = 100;
const MOST_FAULTS = 20;

const OPTIONS = {
  version: "1.2",
  schema: "core",
  resolveKnownTags: false,
  // the library's own check compares each key with each other one
  uniqueKeys: false,
  stringKeys: true,
  merge: false,
  strict: true,
  logLevel: "silent",
} as const;

/** What a text says, or what is wrong with it. Plain data, so that it can cross threads. */
export type YamlReading = { readonly value: unknown } | { readonly faults: readonly FieldFault[] };

/** Reads one YAML 1.2 document of plain data: core schema, no custom tags, no merge keys, no duplicate keys. */
export function readYaml(text: string): YamlReading {
  const tokens = tokenize(text);
  if (!tokens) return refuse(`is nested deeper than ${MAX_DEPTH} levels`);
  const documents = [...new Composer(OPTIONS).compose(tokens, true, text.length)] as Document.Parsed[];
  const [document, ...others] = documents;
  if (!document || others.length > 0) return refuse("must be one document");
  const found = [...document.errors, ...document.warnings, ...findDuplicates(document)];
  if (found.length > 0) return { faults: found.slice(0, MOST_FAULTS).map((fault) => toFault(fault, text)) };
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return isEndless(value, new Set()) ? refuse("has an alias of what it stands in") : { value };
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    return refuse("has too many aliases, or one that names nothing");
  }
}

/**
 * The text's tokens; undefined when they nest too deeply. This stage keeps a stack of its own, but what composes
 * the tokens recurses, and V8 aborts the whole process when it must compile a regular expression with no stack left.
 */
function tokenize(text: string): CST.Token[] | undefined {
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  for (const lexeme of new Lexer().lex(text)) {
    tokens.push(...parser.next(lexeme));
    if (parser.stack.length > MAX_DEPTH) return undefined;
  }
  tokens.push(...parser.end());
  return tokens;
}

interface Found {
  readonly message: string;
  readonly pos: readonly [number, number];
}

function findDuplicates(document: Document.Parsed): Found[] {
  const found: Found[] = [];
  visit(document, {
    Map(_key, map) {
      const seen = new Set<unknown>();
      for (const pair of isMap(map) ? map.items : []) {
        const key = isPair(pair) && isScalar(pair.key) ? pair.key : undefined;
        const at = key?.range?.[0] ?? 0;
        if (key && seen.has(String(key.value)))
          found.push({ message: "Map keys must be unique", pos: [at, at] });
        else if (key) seen.add(String(key.value));
      }
    },
  });
  return found;
}

/** Whether a value holds itself: no reader of it would come to an end. */
function isEndless(value: unknown, around: Set<unknown>): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (around.has(value)) return true;
  around.add(value);
  const found = Object.values(value).some((member) => isEndless(member, around));
  around.delete(value);
  return found;
}

/** A fault with its place, without the parser's excerpt of the text, which may hold a secret. */
function toFault(fault: Found, text: string): FieldFault {
  const before = text.slice(0, fault.pos[0]).split("\n");
  const column = (before.at(-1)?.length ?? 0) + 1;
  return {
    path: "",
    message: `YAML line ${before.length}, column ${column}: ${fault.message.split("\n")[0]}`,
  };
}

function refuse(why: string): YamlReading {
  return { faults: [{ path: "", message: `YAML ${why}` }] };
}
