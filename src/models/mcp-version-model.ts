import type { JsonObject } from "../core/json.js";
import { BaseModel } from "./base-model.js";

/** One immutable version of a component. Its JSON columns hold objects alone, which `pg` reads and writes. */
export class McpVersionModel extends BaseModel {
  static override tableName = "mcp_versions";

  declare id: string;
  declare mcpDefinitionId: string;
  declare version: string;
  /** Sorts by semver's precedence (`src/core/semver-order.ts`). */
  declare versionOrder: string;
  declare description: string;
  declare config: JsonObject;
  declare inputSchema: JsonObject | null;
  declare outputSchema: JsonObject | null;
  declare externalDbConfigs: string[];
  declare secrets: string[];
  declare deprecatedAt: Date | null;
  declare createdBy: string | null;
  declare createdAt: Date;
}
