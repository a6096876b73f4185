import { Composer, type CST, type Document, Parser } from "yaml";
import { AppError, type FieldFault, invalidFields } from "../errors/app-error.js";
import { MAX_DEPTH } from "./parse-json.js";

/** Most YAML that is read: its parser is a hundred times slower than JSON's, and it blocks. */
const MOST_CHARS = 1024 * 1024;
/** Aliases may save typing, not blow a small text up into a huge value. */
const MAX_ALIASES = 100;

const OPTIONS = {
  version: "1.2",
  schema: "core",
  resolveKnownTags: false,
  uniqueKeys: true,
  stringKeys: true,
  merge: false,
  strict: true,
  logLevel: "silent",
} as const;

/**
 * Reads one YAML 1.2 document of plain data: core schema, no custom tags, no merge keys, no duplicate keys.
 * @throws AppError INVALID_FIELDS naming line and column of each fault; BODY_TOO_LARGE above 1 MiB.
 */
export function parseYaml(text: string): unknown {
  if (text.length > MOST_CHARS) throw new AppError("BODY_TOO_LARGE", "A YAML body may have 1 MiB at most");
  // the token parser keeps a stack of its own; what composes the tokens recurses, and V8 aborts the whole process
  // when it has to compile a regular expression at the end of the stack
  const tokens = [...new Parser().parse(text)];
  assertShallow(tokens);
  const documents = [...new Composer(OPTIONS).compose(tokens, true, text.length)] as Document.Parsed[];
  const [document, ...others] = documents;
  if (!document || others.length > 0) {
    throw invalidFields([{ path: "", message: "YAML: must be one document" }]);
  }
  const faults = [...document.errors, ...document.warnings].slice(0, 20).map((fault) => toFault(fault, text));
  if (faults.length > 0) throw invalidFields(faults);
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown;
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    const message = "YAML has too many aliases, or one that names nothing";
    throw invalidFields([{ path: "", message }]);
  }
}

/** Walks the tokens without recursion, and refuses what is nested too deeply to be walked with it. */
function assertShallow(tokens: readonly CST.Token[]): void {
  const open = tokens.map((token) => ({ token, depth: 0 }));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next.depth > MAX_DEPTH) {
      throw invalidFields([{ path: "", message: `YAML is nested deeper than ${MAX_DEPTH} levels` }]);
    }
    for (const token of childrenOf(next.token)) open.push({ token, depth: next.depth + 1 });
  }
}

function childrenOf(token: CST.Token): CST.Token[] {
  if (token.type === "document") return token.value ? [token.value] : [];
  if (!("items" in token)) return [];
  return token.items.flatMap((item) => [item.key, item.value].filter((child) => child != null));
}

/** A fault with its place, without the parser's excerpt of the text, which may hold a secret. */
function toFault(
  fault: { readonly message: string; readonly pos: readonly [number, number] },
  text: string,
): FieldFault {
  const before = text.slice(0, fault.pos[0]).split("\n");
  const column = (before.at(-1)?.length ?? 0) + 1;
  return {
    path: "",
    message: `YAML line ${before.length}, column ${column}: ${fault.message.split("\n")[0]}`,
  };
}
