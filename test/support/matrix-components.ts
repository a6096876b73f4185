import { newId } from "../../src/core/ids.js";
import { type MatrixRow, post } from "./matrix-rows.js";

/** Where components are made. */
export const COMPONENTS = "/mcp-definitions";
/** A name that nobody has. */
export const fresh = (): string => `m-${newId()}`;

/** A configuration as it is sent. */
export type SentConfig = { readonly type: string } & Readonly<Record<string, unknown>>;

/** A component whose first version has this configuration. */
export function configured(
  name: string,
  config: SentConfig,
  status: MatrixRow["status"],
  ...paths: string[]
): MatrixRow {
  return versioned(name, { mcpType: config.type, version: { version: "1.0.0", config } }, status, ...paths);
}

/** A component with a name of its own. */
export function versioned(
  name: string,
  body: object,
  status: MatrixRow["status"],
  ...paths: string[]
): MatrixRow {
  return post(name, [COMPONENTS, { name: fresh(), ...body }], status, ...paths);
}

/** The pointer of a member of the first version's configuration. */
export const at = (...names: string[]): string => `/version/config/${names.join("/")}`;
