import { parseDocument } from "yaml";
import { AppError, invalidFields } from "../errors/app-error.js";

/** Most YAML that is read: its parser is a hundred times slower than JSON's, and it blocks. */
const MOST_CHARS = 1024 * 1024;
/** Aliases may save typing, not blow a small text up into a huge value. */
const MAX_ALIASES = 100;

/**
 * Reads one YAML 1.2 document of plain data: core schema, no custom tags, no merge keys, no duplicate keys.
 * @throws AppError INVALID_FIELDS naming line and column of each fault; BODY_TOO_LARGE above 1 MiB.
 */
export function parseYaml(text: string): unknown {
  if (text.length > MOST_CHARS) throw new AppError("BODY_TOO_LARGE", "A YAML body may have 1 MiB at most");
  try {
    const document = parseDocument(text, {
      version: "1.2",
      schema: "core",
      resolveKnownTags: false,
      uniqueKeys: true,
      stringKeys: true,
      merge: false,
      strict: true,
      prettyErrors: true,
      logLevel: "silent",
    });
    const faults = [...document.errors, ...document.warnings].map((fault) => ({
      path: "",
      message: toMessage(fault),
    }));
    if (faults.length > 0) throw invalidFields(faults.slice(0, 20));
    return document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown;
  } catch (error) {
    if (error instanceof AppError) throw error;
    // too many aliases, an alias without an anchor, nesting that exhausts the stack
    const why = error instanceof RangeError ? "is nested too deeply" : "has too many aliases, or one that names nothing";
    throw invalidFields([{ path: "", message: `YAML ${why}` }]);
  }
}

function toMessage(fault: { message: string; linePos?: readonly { line: number; col: number }[] | undefined }): string {
  const [start] = fault.linePos ?? [];
  // the parser's message goes on with an excerpt of the text, which may hold a secret
  const words = (fault.message.split("\n")[0] ?? "").replace(/ at line \d+, column \d+:?$/, "");
  return start ? `YAML line ${start.line}, column ${start.col}: ${words}` : `YAML: ${words}`;
}
