import { z } from "zod";
import type { OutgoingGuard } from "../outgoing/outgoing-guard.js";

/** 1 MiB: longer code belongs into a package. */
export const MAX_CODE_CHARACTERS = 1024 * 1024;

const CONTROL = /[\0-\x1f\x7f]/;

/** Text without NULs, which PostgreSQL cannot hold. */
export function textField(maxCharacters: number): z.ZodString {
  return z
    .string()
    .max(maxCharacters, `must have at most ${maxCharacters} characters`)
    .regex(/^[^\0]*$/, "must not contain NUL");
}

/** Source code of a component. */
export const codeField = textField(MAX_CODE_CHARACTERS).min(1, "must not be empty");

/** Seconds an execution may take. */
export const timeoutSecondsField = z.int().min(1).max(86_400).default(600);

/** Memory of the whole process tree of an execution, in MiB. */
export const memoryMbField = z.int().min(64).max(65_536).default(1_024);

/** Environment variables by which a program's loader or interpreter can be subverted, and those that are ours. */
const FORBIDDEN_ENV_NAMES = new Set([
  "PATH",
  "HOME",
  "TMPDIR",
  "ENV",
  "BASH_ENV",
  "IFS",
  "SHELLOPTS",
  "NODE_OPTIONS",
  "NODE_PATH",
  "NODE_V8_COVERAGE",
  "NODE_REPL_EXTERNAL_MODULE",
  "GCONV_PATH",
  "GLIBC_TUNABLES",
  "JAVA_TOOL_OPTIONS",
  "JDK_JAVA_OPTIONS",
  "_JAVA_OPTIONS",
  "GIT_ASKPASS",
  "GIT_EXEC_PATH",
]);
const FORBIDDEN_ENV_PREFIXES = [
  ...["LD_", "DYLD_", "PYTHON", "PERL5", "RUBYOPT", "RUBYLIB"],
  ...["GIT_SSH", "GIT_CONFIG", "MCP_", "HEADRACE_"],
];

/** Whether user configuration may not set this environment variable. */
export function isForbiddenEnvName(name: string): boolean {
  const upper = name.toUpperCase();
  return FORBIDDEN_ENV_NAMES.has(upper) || FORBIDDEN_ENV_PREFIXES.some((prefix) => upper.startsWith(prefix));
}

/** Environment variables that an author adds. */
export const envField = z
  .record(
    z.string().regex(/^[A-Z_][A-Z0-9_]{0,127}$/i, "must be the name of an environment variable"),
    textField(32_768),
  )
  .superRefine((env, context) => {
    if (Object.keys(env).length > 100)
      context.addIssue({ code: "custom", message: "must have at most 100 names" });
    for (const name of Object.keys(env)) {
      if (isForbiddenEnvName(name))
        context.addIssue({ code: "custom", path: [name], message: "is a reserved name" });
    }
  });

/** Name of a stored provider or kernel: letters, digits, dashes; never an address. */
export const providerNameField = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, "must match ^[a-z][a-z0-9-]{0,62}$");

/** Why a path of an author's file cannot be used, or undefined when it stays inside its folder. */
export function findPathFault(path: string): string | undefined {
  if (path === "" || path.length > 255) return "must have 1 to 255 characters";
  if (CONTROL.test(path) || path.includes("\\")) return "must not contain backslashes or control characters";
  const parts = path.split("/");
  if (parts.some((part) => part === "" || part === "." || part === ".."))
    return "must be a path inside the folder";
  if (parts.some((part) => part.toLowerCase() === ".git")) return "must not be in .git";
  return undefined;
}

/** A path inside the author's folder. */
export const innerPathField = z.string().superRefine((path, context) => {
  const fault = findPathFault(path);
  if (fault) context.addIssue({ code: "custom", message: fault });
});

/** What an outgoing URL may be. */
export interface OutgoingUrlRules {
  readonly protocols: readonly string[];
  readonly guard: Pick<OutgoingGuard, "findUrlFault">;
}

/** A URL that the platform will call: no credentials in it, no private address. Names are judged again when called. */
export function outgoingUrlField({ protocols, guard }: OutgoingUrlRules): z.ZodString {
  return z
    .string()
    .max(2_000)
    .superRefine((text, context) => {
      const fault = guard.findUrlFault(text, protocols);
      if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
    });
}
