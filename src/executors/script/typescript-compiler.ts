import { createHash } from "node:crypto";
import { transform } from "esbuild";
import { ExecutionError } from "../types.js";

/** Turns the code of a TypeScript script into JavaScript that Node.js runs. */
export interface TypescriptCompiler {
  /** @throws ExecutionError `script_error`, not retryable, naming the line of a syntax error. */
  compile(code: string): Promise<string>;
}

const CACHED_CHARACTERS = 32 * 1024 * 1024;

/**
 * Compiles with esbuild: types are dropped, not checked. The source map makes errors name the author's lines.
 * Results are kept by content, the least recently used ones going first.
 */
export function createTypescriptCompiler(): TypescriptCompiler {
  const cache = new Map<string, string>();
  let cachedCharacters = 0;

  function remember(key: string, compiled: string): void {
    const known = cache.delete(key);
    cache.set(key, compiled);
    if (!known) cachedCharacters += compiled.length;
    for (const [oldest, text] of cache) {
      if (cachedCharacters <= CACHED_CHARACTERS) break;
      cache.delete(oldest);
      cachedCharacters -= text.length;
    }
  }

  return {
    async compile(code) {
      const key = createHash("sha256").update(code).digest("base64");
      const compiled = cache.get(key) ?? (await compileOnce(code));
      remember(key, compiled);
      return compiled;
    },
  };
}

async function compileOnce(code: string): Promise<string> {
  try {
    const result = await transform(code, {
      loader: "ts",
      format: "esm",
      target: "node20",
      platform: "node",
      sourcefile: "script.ts",
      sourcemap: "inline",
      sourcesContent: false,
      logLevel: "silent",
      // The machine's own tsconfig must not change what a script means.
      tsconfigRaw: { compilerOptions: { target: "ES2022", useDefineForClassFields: true } },
    });
    return result.code;
  } catch (error) {
    throw toSyntaxError(error);
  }
}

interface BuildFault {
  readonly text: string;
  readonly location: { readonly line: number; readonly column: number; readonly lineText: string } | null;
}

function toSyntaxError(error: unknown): ExecutionError {
  const faults = (error as { errors?: readonly BuildFault[] }).errors;
  const [first] = faults ?? [];
  if (!faults || !first) {
    return new ExecutionError("internal", "The TypeScript compiler failed", { cause: error });
  }
  const describe = ({ text, location }: BuildFault): string =>
    location ? `script.ts:${location.line}:${location.column + 1}: ${text}` : text;
  return new ExecutionError("script_error", `SyntaxError: ${describe(first)}`, {
    retryable: false,
    details: { traceback: faults.slice(0, 20).map(describe).join("\n") },
    cause: error,
  });
}
