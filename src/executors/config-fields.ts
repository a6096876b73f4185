import { BlockList, isIP } from "node:net";
import { z } from "zod";

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
]);
const FORBIDDEN_ENV_PREFIXES = ["LD_", "DYLD_", "PYTHON", "MCP_", "HEADRACE_"];

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

/** Addresses that no outgoing call may reach unless the operator names them. */
const PRIVATE_ADDRESSES = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["224.0.0.0", 3],
] as const) {
  PRIVATE_ADDRESSES.addSubnet(network, prefix, "ipv4");
}
for (const [network, prefix] of [
  ["::", 96],
  ["::ffff:0:0", 96],
  ["64:ff9b::", 96],
  ["64:ff9b:1::", 48],
  ["2002::", 16],
  ["fc00::", 7],
  ["fe80::", 10],
  ["ff00::", 8],
] as const) {
  PRIVATE_ADDRESSES.addSubnet(network, prefix, "ipv6");
}

/**
 * Whether a host, as `URL.hostname` writes it, is this machine or a private network by its spelling alone. Names are
 * judged again when they are resolved; this only refuses early what can never be meant.
 */
export function isPrivateHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  const family = isIP(host);
  if (family !== 0) return PRIVATE_ADDRESSES.check(host, family === 4 ? "ipv4" : "ipv6");
  return (
    host === "localhost" || host.endsWith(".localhost") || host.endsWith(".internal") || !host.includes(".")
  );
}

/** What an outgoing URL may be. */
export interface OutgoingUrlRules {
  readonly protocols: readonly string[];
  /** Whether the operator lets calls reach this private host. */
  isAllowedPrivateHost(hostname: string): boolean;
}

/** A URL that the platform will call: no credentials in it, no private address. */
export function outgoingUrlField({ protocols, isAllowedPrivateHost }: OutgoingUrlRules): z.ZodString {
  return z
    .string()
    .max(2_000)
    .superRefine((text, context) => {
      const fail = (message: string): void => context.addIssue({ code: "custom", message });
      const url = URL.canParse(text) ? new URL(text) : undefined;
      if (!url || /\s/.test(text) || CONTROL.test(text)) return fail("must be a URL");
      if (!protocols.includes(url.protocol)) {
        return fail(`must begin with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`);
      }
      if (url.username !== "" || url.password !== "") return fail("must not hold credentials");
      if (isPrivateHost(url.hostname) && !isAllowedPrivateHost(url.hostname)) {
        return fail("must not name this machine or a private network");
      }
      return undefined;
    });
}
