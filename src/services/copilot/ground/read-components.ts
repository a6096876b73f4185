import type { Knex } from "knex";
import type { JsonObject } from "../../../core/json.js";
import { RELEASE_MARK } from "../../../core/semver-order.js";

/** A component version that a workflow uses, and its successor. */
export interface ComponentFacts {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly mcpType: string;
  readonly version: string;
  readonly config: JsonObject;
  readonly inputSchema: JsonObject | null;
  readonly outputSchema: JsonObject | null;
  readonly secrets: readonly string[];
  readonly externalDbConfigs: readonly string[];
  readonly isDeprecated: boolean;
  /** The newest release that is not deprecated, when that is a later one. */
  readonly newest: { readonly id: string; readonly version: string } | undefined;
}

type Row = Omit<ComponentFacts, "newest"> & {
  readonly newestId: string | null;
  readonly newestVersion: string | null;
};

/** The facts of these versions, by id, in one query. */
export async function readComponents(
  knex: Knex,
  versionIds: readonly string[],
): Promise<Map<string, ComponentFacts>> {
  if (versionIds.length === 0) return new Map();
  const { rows } = await knex.raw<{ rows: Row[] }>(
    `SELECT version.id, definition.name, definition.description, definition.mcp_type AS "mcpType", version.version,
       version.config, version.input_schema AS "inputSchema", version.output_schema AS "outputSchema", version.secrets,
       version.external_db_configs AS "externalDbConfigs",
       version.deprecated_at IS NOT NULL AS "isDeprecated", newest.id AS "newestId", newest.version AS "newestVersion"
     FROM mcp_versions AS version
     JOIN mcp_definitions AS definition ON definition.id = version.mcp_definition_id
     LEFT JOIN LATERAL (
       SELECT id, version FROM mcp_versions AS candidate
       WHERE candidate.mcp_definition_id = definition.id AND candidate.deprecated_at IS NULL
         AND right(candidate.version_order, 1) = ? AND candidate.version_order > version.version_order
       ORDER BY version_order DESC LIMIT 1
     ) AS newest ON true
     WHERE version.id = ANY(?::uuid[])`,
    [RELEASE_MARK, [...versionIds]],
  );
  return new Map(
    rows.map(({ newestId, newestVersion, ...row }) => [
      row.id,
      {
        ...row,
        newest:
          newestId === null || newestVersion === null ? undefined : { id: newestId, version: newestVersion },
      },
    ]),
  );
}
