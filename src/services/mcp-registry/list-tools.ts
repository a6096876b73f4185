import type { Knex } from "knex";
import type { ListToolsQuery, McpTools } from "../../contracts/api/mcp-tools.js";
import type { Actor, RequestOrigin } from "../../core/actor.js";
import { isUuid } from "../../core/ids.js";
import type { ContractTool, ToolContract, ToolListing } from "../../core/tool-contract.js";
import { diffTools } from "../../core/tool-diff.js";
import { conflict, invalidFields, notFound } from "../../errors/app-error.js";
import type { PubSub } from "../../events/pub-sub.js";
import type { AuditLog } from "../audit/audit-log.js";
import type { ToolContracts } from "./tool-contracts.js";
import { requestListing } from "./tool-listing-requests.js";

/** The tools of Model Context Protocol packages. */
export interface ToolLists {
  /** @throws AppError NOT_FOUND; CONFLICT for a version of another type. */
  locate(versionId: string): Promise<void>;
  /**
   * The live tools of a version, which a worker asks its server for; the first list becomes its contract.
   * @throws AppError NOT_FOUND, CONFLICT, INVALID_FIELDS, NOT_READY, UPSTREAM_FAILED
   */
  list(versionId: string, query: ListToolsQuery, who: Asker): Promise<McpTools>;
}

/** Who asks, and for how long they will wait. */
export interface Asker {
  readonly actor: Actor;
  readonly origin: RequestOrigin;
  readonly signal: AbortSignal;
}

/** The dependencies of listing tools. */
export interface ToolListDeps {
  readonly knex: Knex;
  readonly pubSub: PubSub;
  readonly audit: AuditLog;
  readonly contracts: ToolContracts;
  /** Milliseconds that a server has, its installation included. Default: 90 s. */
  readonly limitMs?: number;
}

interface Version {
  readonly id: string;
  readonly definitionId: string;
  readonly name: string;
  readonly version: string;
  readonly versionOrder: string;
  readonly mcpType: string;
}

const LIMIT_MS = 90_000;

/** Makes the service. */
export function createToolLists(deps: ToolListDeps): ToolLists {
  return {
    async locate(versionId) {
      await findPackage(deps.knex, versionId);
    },
    async list(versionId, { compareWith }, who) {
      const version = await findPackage(deps.knex, versionId);
      const other = compareWith === undefined ? undefined : await findOther(deps.knex, compareWith);
      const live = await ask(deps, version, who);
      const contract = await keepContract(deps, version, live, who);
      const drift = diffTools(contract.tools, live.tools);
      return {
        tools: [...live.tools],
        serverInfo: live.serverInfo as McpTools["serverInfo"],
        package: live.package ?? null,
        contract: { hash: contract.hash, at: contract.at.toISOString() },
        drift: drift.kind === "none" ? null : { ...drift, changes: [...drift.changes] },
        comparison: await compare(deps, version, other, live.tools, who),
      };
    },
  };
}

async function ask({ knex, pubSub, limitMs = LIMIT_MS }: ToolListDeps, version: Version, { signal }: Asker) {
  return await requestListing({ knex, pubSub }, version.id, { limitMs, signal });
}

async function keepContract(
  { knex, audit, contracts }: ToolListDeps,
  version: Version,
  live: ToolListing,
  { actor, origin }: Asker,
): Promise<ToolContract> {
  return await knex.transaction(async (trx) => {
    const { contract, isNew } = await contracts.keep(version.id, live, trx);
    if (isNew) {
      await audit.record(trx, {
        actor,
        origin,
        action: "mcp_version.keep_tools",
        entityType: "mcp_version",
        entityId: version.id,
        after: { name: version.name, version: version.version, hash: contract.hash },
      });
    }
    return contract;
  });
}

async function compare(
  deps: ToolListDeps,
  version: Version,
  chosen: Version | undefined,
  tools: readonly ContractTool[],
  who: Asker,
): Promise<McpTools["comparison"]> {
  const other = chosen ?? (await findEarlier(deps.knex, version));
  if (!other) return null;
  const known = await deps.contracts.readToolContract(other.id);
  const { tools: before } = known ?? (await keepContract(deps, other, await ask(deps, other, who), who));
  const { kind, changes } = diffTools(before, tools);
  return { versionId: other.id, version: other.version, kind, changes: [...changes] };
}

async function findOther(knex: Knex, versionId: string): Promise<Version> {
  const found = await findVersion(knex, versionId);
  if (found?.mcpType === "mcp_package") return found;
  const message = "must be the id of a version of a Model Context Protocol package";
  throw invalidFields([{ path: "/compareWith", message }]);
}

async function findPackage(knex: Knex, versionId: string): Promise<Version> {
  const found = await findVersion(knex, versionId);
  if (!found) throw notFound("MCP version");
  if (found.mcpType === "mcp_package") return found;
  throw conflict(
    `${found.name} is of type ${found.mcpType}: only Model Context Protocol packages have tools`,
  );
}

const VERSION_COLUMNS = `version.id, version.mcp_definition_id AS "definitionId", definition.name, version.version,
  version.version_order AS "versionOrder", definition.mcp_type AS "mcpType"`;

async function findVersion(knex: Knex, versionId: string): Promise<Version | undefined> {
  if (!isUuid(versionId)) return undefined;
  const { rows } = (await knex.raw(
    `SELECT ${VERSION_COLUMNS} FROM mcp_versions AS version
     JOIN mcp_definitions AS definition ON definition.id = version.mcp_definition_id WHERE version.id = ?`,
    [versionId],
  )) as { rows: Version[] };
  return rows[0];
}

/** The newest earlier version of the same definition whose tools are known. */
async function findEarlier(knex: Knex, version: Version): Promise<Version | undefined> {
  const { rows } = (await knex.raw(
    `SELECT ${VERSION_COLUMNS} FROM mcp_versions AS version
     JOIN mcp_definitions AS definition ON definition.id = version.mcp_definition_id
     JOIN mcp_tool_contracts AS contract ON contract.mcp_version_id = version.id
     WHERE version.mcp_definition_id = ? AND version.version_order < ?
     ORDER BY version.version_order DESC LIMIT 1`,
    [version.definitionId, version.versionOrder],
  )) as { rows: Version[] };
  return rows[0];
}
