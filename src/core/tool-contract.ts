import { createHash } from "node:crypto";
import type { JsonObject, JsonValue } from "./json.js";

/** One tool of a Model Context Protocol server: exactly what its contract covers. */
export interface ContractTool {
  readonly name: string;
  readonly description?: string;
  readonly inputSchema: JsonObject;
  readonly outputSchema?: JsonObject;
}

/** A package that a server was started from, as its registry resolved it. */
export interface ResolvedPackage {
  readonly registry: "npm" | "pypi";
  readonly name: string;
  readonly version: string;
}

/** What a server said of itself and its tools. */
export interface ToolListing {
  /** In the order of their names. */
  readonly tools: readonly ContractTool[];
  /** {@link hashTools} of `tools`. */
  readonly hash: string;
  readonly serverInfo: JsonObject;
  readonly package?: ResolvedPackage;
}

/** A listing as it is stored with a version. */
export interface ToolContract extends ToolListing {
  readonly at: Date;
}

/** A SHA-256 over names, descriptions and schemas that neither the order of tools nor that of members changes. */
export function hashTools(tools: readonly ContractTool[]): string {
  const sorted = [...tools].sort((one, other) => (one.name < other.name ? -1 : 1));
  const plain = sorted.map(({ name, description = null, inputSchema, outputSchema = null }) => [
    name,
    description,
    inputSchema,
    outputSchema,
  ]);
  return createHash("sha256")
    .update(canonicalJson(plain as JsonValue))
    .digest("hex");
}

/** JSON with the members of every object in one order: equal values give equal texts. */
export function canonicalJson(value: JsonValue): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([one], [other]) => (one < other ? -1 : 1)))
      : member,
  );
}
