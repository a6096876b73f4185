import type { LineageType } from "../../../../src/contracts/api/graphs.js";

/** How the types of a lineage are called. */
export const LINEAGE_WORDS: Readonly<Record<LineageType, string>> = {
  mcp_version: "Version",
  workflow_definition: "Workflow",
  schedule: "Schedule",
  webhook: "Webhook",
  external_db_config: "Database",
  secret: "Secret",
  llm_provider: "Provider",
  tool: "Tool",
  workflow_run: "Run",
};
