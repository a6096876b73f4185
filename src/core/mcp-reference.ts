import { parseSemver, toVersionOrder } from "./semver-order.js";

/** `NAME` or `NAME@VERSION`, as workflows and prompts refer to a component. */
export interface McpReference {
  readonly name: string;
  /** As written; undefined: the newest. */
  readonly version?: string;
  /** Sorts and compares by precedence; undefined: the newest. */
  readonly versionOrder?: string;
}

/** What follows `mcp:`. Says why when it is no reference. */
export function parseMcpReference(text: string): McpReference | { readonly error: string } {
  const at = text.indexOf("@");
  const name = at < 0 ? text : text.slice(0, at);
  if (!/^[a-z][a-z0-9-]{1,62}$/.test(name)) return { error: "must be mcp:NAME or mcp:NAME@VERSION" };
  if (at < 0) return { name };
  const version = text.slice(at + 1);
  const parsed = parseSemver(version);
  if (!parsed) return { error: `"${version.slice(0, 80)}" is no semantic version` };
  return { name, version, versionOrder: toVersionOrder(parsed) };
}
