import type { McpDefinition, McpVersion } from "../../contracts/api/mcp-definitions.js";
import type { McpDefinitionModel } from "../../models/mcp-definition-model.js";
import type { McpVersionModel } from "../../models/mcp-version-model.js";

/** What a definition's versions add up to. */
export interface VersionSummary {
  readonly latestVersion: { id: string; version: string } | null;
  readonly versionCount: number;
}

/** A component as the API shows it. */
export function presentMcpDefinition(row: McpDefinitionModel, summary: VersionSummary): McpDefinition {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    tags: row.tags,
    mcpType: row.mcpType,
    rateLimit: row.rateLimit,
    latestVersion: summary.latestVersion,
    versionCount: summary.versionCount,
    revision: row.revision,
    createdBy: row.createdBy,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

/** A version of a component as the API shows it: secrets by name only. */
export function presentMcpVersion(
  row: McpVersionModel,
  definition: Pick<McpDefinitionModel, "name" | "mcpType">,
): McpVersion {
  return {
    id: row.id,
    mcpDefinitionId: row.mcpDefinitionId,
    name: definition.name,
    mcpType: definition.mcpType,
    version: row.version,
    description: row.description,
    config: row.config,
    inputSchema: row.inputSchema,
    outputSchema: row.outputSchema,
    externalDbConfigs: row.externalDbConfigs,
    secrets: row.secrets,
    isDeprecated: row.deprecatedAt !== null,
    deprecatedAt: row.deprecatedAt?.toISOString() ?? null,
    createdBy: row.createdBy,
    createdAt: row.createdAt.toISOString(),
  };
}
