import { BaseModel } from "./base-model.js";

/** A component: its name, its type, and its place among others. What it runs is in its versions. */
export class McpDefinitionModel extends BaseModel {
  static override tableName = "mcp_definitions";

  declare id: string;
  declare name: string;
  declare description: string;
  declare tags: string[];
  declare mcpType: string;
  /** How many of its steps may start within so many seconds, over all workers. */
  declare rateLimit: { limit: number; seconds: number } | null;
  declare revision: number;
  declare createdBy: string | null;
  declare createdAt: Date;
  declare updatedAt: Date;
}
