import { databasePath, mcpPath, PAGE_PATHS, runPath, workflowPath } from "../../app/page-paths.js";
import type { LineageNode } from "../../../../src/contracts/api/graphs.js";

/** Where a thing of a lineage has its page; undefined where it has none. */
export function pathOfThing({ type, data }: LineageNode): string | undefined {
  const [name = "", version] = data.label.split("@");
  if (type === "mcp_version")
    return `${mcpPath(name)}${version ? `?version=${encodeURIComponent(version)}&tab=lineage` : ""}`;
  if (type === "workflow_run" && data.entityId) return runPath(data.entityId);
  if (type === "workflow_definition") return workflowPath(name);
  if (type === "external_db_config" && data.entityId) return databasePath(data.entityId);
  if (type === "secret") return PAGE_PATHS.secrets;
  if (type === "llm_provider") return PAGE_PATHS.models;
  return undefined;
}
