import type { JsonObject } from "../../core/json.js";
import type { McpReference } from "../../core/mcp-reference.js";
import { RELEASE_MARK } from "../../core/semver-order.js";
import type { McpType } from "../../executors/types.js";
import type { Db } from "../../models/repository.js";

/** What a reference stands for at this moment. */
export interface ResolvedMcp {
  readonly name: string;
  readonly mcpType: McpType;
  /** Undefined: the component has no such version (or no release, when none was named). */
  readonly version?: {
    readonly id: string;
    readonly version: string;
    readonly inputSchema: JsonObject | null;
    readonly isDeprecated: boolean;
  };
}

interface Row {
  readonly name: string;
  readonly versionOrder: string | null;
  readonly mcpType: McpType | null;
  readonly id: string | null;
  readonly version: string | null;
  readonly inputSchema: JsonObject | null;
  readonly deprecatedAt: Date | null;
}

/** One text per distinct reference. */
export function referenceKey(reference: McpReference): string {
  return `${reference.name}@${reference.versionOrder ?? ""}`;
}

/**
 * Resolves references in one query, by {@link referenceKey}; unknown components are missing from the answer.
 * A reference without a version means the newest: the highest release that is not deprecated.
 */
export async function resolveMcps(
  db: Db,
  references: readonly McpReference[],
): Promise<Map<string, ResolvedMcp>> {
  const distinct = [...new Map(references.map((reference) => [referenceKey(reference), reference])).values()];
  if (distinct.length === 0) return new Map();
  const wanted = distinct.map(({ name, versionOrder }) => ({ name, versionOrder: versionOrder ?? null }));
  const { rows } = (await db.raw(
    `SELECT wanted.name, wanted."versionOrder", definition.mcp_type AS "mcpType", version.id, version.version,
       version.input_schema AS "inputSchema", version.deprecated_at AS "deprecatedAt"
     FROM jsonb_to_recordset(?::jsonb) AS wanted(name text, "versionOrder" text)
     JOIN mcp_definitions AS definition ON definition.name = wanted.name
     LEFT JOIN LATERAL (
       SELECT * FROM mcp_versions AS candidate
       WHERE candidate.mcp_definition_id = definition.id
         AND CASE WHEN wanted."versionOrder" IS NULL
           THEN candidate.deprecated_at IS NULL AND right(candidate.version_order, 1) = ?
           ELSE candidate.version_order = wanted."versionOrder" END
       ORDER BY candidate.version_order DESC
       LIMIT 1
     ) AS version ON true`,
    [JSON.stringify(wanted), RELEASE_MARK],
  )) as { rows: Row[] };
  return new Map(rows.map((row) => [`${row.name}@${row.versionOrder ?? ""}`, toResolved(row)]));
}

function toResolved(row: Row): ResolvedMcp {
  const found = { name: row.name, mcpType: row.mcpType as McpType };
  if (row.id === null || row.version === null) return found;
  return {
    ...found,
    version: {
      id: row.id,
      version: row.version,
      inputSchema: row.inputSchema,
      isDeprecated: row.deprecatedAt !== null,
    },
  };
}
