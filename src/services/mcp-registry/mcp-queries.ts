import type { ListMcpDefinitions, McpDefinition } from "../../contracts/api/mcp-definitions.js";
import { isUuid } from "../../core/ids.js";
import { RELEASE_MARK } from "../../core/semver-order.js";
import { notFound } from "../../errors/app-error.js";
import { McpDefinitionModel } from "../../models/mcp-definition-model.js";
import { createRepository, type Db, type Page } from "../../models/repository.js";
import { toPrefixQuery } from "../search-text.js";
import { presentMcpDefinition, type VersionSummary } from "./present-mcp.js";

const definitions = createRepository<McpDefinitionModel>(McpDefinitionModel, "MCP definition");

/** The component. @throws AppError NOT_FOUND */
export async function getMcpByNameOrId(db: Db, nameOrId: string): Promise<McpDefinitionModel> {
  if (isUuid(nameOrId)) return await definitions.get(db, nameOrId);
  const row = await McpDefinitionModel.query(db).where("name", nameOrId).first();
  if (!row) throw notFound("MCP definition");
  return row;
}

/** One page of components, newest first. */
export async function listMcps(db: Db, filter: ListMcpDefinitions): Promise<Page<McpDefinition>> {
  const { limit, cursor, type, tag, q } = filter;
  const search = q === undefined ? undefined : toPrefixQuery(q);
  if (q !== undefined && search === undefined) return { items: [], nextCursor: null };
  const page = await definitions.listPage(db, { limit, cursor }, (query) => {
    if (type !== undefined) void query.where("mcp_type", type);
    if (tag !== undefined) void query.whereRaw("tags @> ARRAY[?]::text[]", [tag]);
    if (search !== undefined) void query.whereRaw("search @@ to_tsquery('simple', ?)", [search]);
  });
  const summaries = await summarize(
    db,
    page.items.map((row) => row.id),
  );
  return { ...page, items: page.items.map((row) => presentMcpDefinition(row, summaryOf(summaries, row.id))) };
}

/** A component with what its versions add up to. */
export async function presentWithVersions(db: Db, row: McpDefinitionModel): Promise<McpDefinition> {
  return presentMcpDefinition(row, summaryOf(await summarize(db, [row.id]), row.id));
}

function summaryOf(summaries: ReadonlyMap<string, VersionSummary>, id: string): VersionSummary {
  return summaries.get(id) ?? { latestVersion: null, versionCount: 0 };
}

/** The newest version and the count of versions of each definition, in one query. */
async function summarize(db: Db, ids: readonly string[]): Promise<Map<string, VersionSummary>> {
  if (ids.length === 0) return new Map();
  const { rows } = (await db.raw(
    `SELECT wanted.id, newest.id AS "versionId", newest.version, counted.count
     FROM unnest(?::uuid[]) AS wanted(id)
     CROSS JOIN LATERAL (
       SELECT count(*)::int AS count FROM mcp_versions WHERE mcp_definition_id = wanted.id
     ) AS counted
     LEFT JOIN LATERAL (
       SELECT id, version FROM mcp_versions
       WHERE mcp_definition_id = wanted.id AND deprecated_at IS NULL AND right(version_order, 1) = ?
       ORDER BY version_order DESC LIMIT 1
     ) AS newest ON true`,
    [[...ids], RELEASE_MARK],
  )) as { rows: { id: string; versionId: string | null; version: string | null; count: number }[] };
  return new Map(
    rows.map((row) => [
      row.id,
      {
        latestVersion: row.versionId && row.version ? { id: row.versionId, version: row.version } : null,
        versionCount: row.count,
      },
    ]),
  );
}
