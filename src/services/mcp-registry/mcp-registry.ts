import type { Knex } from "knex";
import type {
  CreateMcpDefinition,
  CreateMcpVersion,
  ListMcpDefinitions,
  McpDefinition,
  McpVersion,
  UpdateMcpDefinition,
} from "../../contracts/api/mcp-definitions.js";
import type { Actor, RequestOrigin } from "../../core/actor.js";
import { newId } from "../../core/ids.js";
import type { JsonObject } from "../../core/json.js";
import { conflict, type FieldFault, invalidFields, notFound } from "../../errors/app-error.js";
import { McpDefinitionModel } from "../../models/mcp-definition-model.js";
import { McpVersionModel } from "../../models/mcp-version-model.js";
import { createRepository, type Db, type Page, type PageRequest } from "../../models/repository.js";
import { createExecutorDefinitions } from "../../executors/registry.js";
import type { AuditLog } from "../audit/audit-log.js";
import { isForeignKeyViolation, isUniqueViolation } from "../database-conflicts.js";
import {
  type CheckedMcpVersion,
  checkMcpVersion,
  prefixed,
  type VersionCheckDeps,
} from "./check-mcp-version.js";
import { dropOrphanedLinks, findMcpUsers } from "./mcp-users.js";
import { getMcpByNameOrId, listMcps, presentWithVersions } from "./mcp-queries.js";
import { presentMcpVersion } from "./present-mcp.js";

/** The registry of components and their versions. Every change stands or falls with its audit entry. */
export interface McpRegistry {
  /** @throws AppError INVALID_FIELDS for an unknown type or a cursor of another list. */
  list(filter: ListMcpDefinitions): Promise<Page<McpDefinition>>;
  /** @throws AppError NOT_FOUND */
  get(nameOrId: string): Promise<McpDefinition>;
  /** What is wrong with a definition's type, and with its first version, if it gives one. Pointers into the body. */
  judge(body: Pick<CreateMcpDefinition, "mcpType" | "version">): Promise<FieldFault[]>;
  /** @throws AppError INVALID_FIELDS with every fault; CONFLICT when the name is taken. */
  create(body: CreateMcpDefinition, actor: Actor, origin: RequestOrigin): Promise<McpDefinition>;
  /** @throws AppError NOT_FOUND; REVISION_STALE when `revision` is given and is not the stored one. */
  update(
    nameOrId: string,
    body: UpdateMcpDefinition,
    revision: number | undefined,
    actor: Actor,
    origin: RequestOrigin,
  ): Promise<McpDefinition>;
  /** @throws AppError NOT_FOUND; CONFLICT naming what uses it. */
  remove(nameOrId: string, actor: Actor, origin: RequestOrigin): Promise<void>;
  listVersions(nameOrId: string, page: PageRequest): Promise<Page<McpVersion>>;
  /** @throws AppError NOT_FOUND; INVALID_FIELDS; CONFLICT when there is such a version, build metadata aside. */
  createVersion(
    nameOrId: string,
    body: CreateMcpVersion,
    actor: Actor,
    origin: RequestOrigin,
  ): Promise<McpVersion>;
  /** @throws AppError NOT_FOUND */
  getVersion(versionId: string): Promise<McpVersion>;
  /** Doing it twice is harmless. @throws AppError NOT_FOUND */
  deprecateVersion(versionId: string, actor: Actor, origin: RequestOrigin): Promise<McpVersion>;
}

/** The dependencies of the registry. */
export interface McpRegistryDeps extends Omit<VersionCheckDeps, "executors"> {
  readonly knex: Knex;
  readonly audit: AuditLog;
  /** The setting `ALLOWED_HOSTS_PRIVATE`: private hosts that a configuration may name. */
  readonly allowedPrivateHosts?: readonly string[];
  /** The setting `MCP_COMMANDS`; absent: any command can be stored. */
  readonly mcpCommands?: readonly string[];
}

type Deps = McpRegistryDeps & VersionCheckDeps;

const definitions = createRepository<McpDefinitionModel>(McpDefinitionModel, "MCP definition");
const versions = createRepository<McpVersionModel>(McpVersionModel, "MCP version");

/** Makes the registry over a database. */
export function createMcpRegistry(given: McpRegistryDeps): McpRegistry {
  const deps: Deps = { ...given, executors: createExecutorDefinitions(given) };
  const { knex, audit } = deps;
  return {
    async list(filter) {
      const fault = filter.type === undefined ? undefined : typeFault("/type", filter.type, deps.executors);
      if (fault) throw invalidFields([fault]);
      return await listMcps(knex, filter);
    },
    get: async (nameOrId) => await presentWithVersions(knex, await getMcpByNameOrId(knex, nameOrId)),
    judge: async (body) => (await checkDefinition(deps, body)).faults,
    create: async (body, actor, origin) => await createDefinition(deps, body, actor, origin),

    async update(nameOrId, body, revision, actor, origin) {
      const before = await getMcpByNameOrId(knex, nameOrId);
      return await knex.transaction(async (trx) => {
        const after = await definitions.update(trx, before.id, body, revision);
        const answer = await presentWithVersions(trx, after);
        await audit.record(trx, {
          ...entryOf("mcp_definition.update", after, actor, origin),
          before: stateOf(before),
          after: stateOf(after),
        });
        return answer;
      });
    },

    async remove(nameOrId, actor, origin) {
      const definition = await getMcpByNameOrId(knex, nameOrId);
      await knex.transaction(async (trx) => {
        await assertUnused(trx, definition);
        await deleteUnused(trx, definition);
        await audit.record(trx, {
          ...entryOf("mcp_definition.delete", definition, actor, origin),
          before: stateOf(definition),
        });
      });
    },

    async listVersions(nameOrId, page) {
      const definition = await getMcpByNameOrId(knex, nameOrId);
      const found = await versions.listPage(knex, page, (query) => {
        void query.where("mcp_definition_id", definition.id);
      });
      return { ...found, items: found.items.map((row) => presentMcpVersion(row, definition)) };
    },

    async createVersion(nameOrId, body, actor, origin) {
      const definition = await getMcpByNameOrId(knex, nameOrId);
      const { checked, faults } = await checkMcpVersion(deps, definition.mcpType, body);
      if (!checked) throw invalidFields(faults);
      return await knex.transaction(async (trx) => {
        const row = await insertVersion(trx, definition, body, checked, actor);
        await audit.record(trx, versionEntry("mcp_version.create", row, definition, actor, origin));
        return presentMcpVersion(row, definition);
      });
    },

    async getVersion(versionId) {
      const row = await versions.get(knex, versionId);
      return presentMcpVersion(row, await definitions.get(knex, row.mcpDefinitionId));
    },

    deprecateVersion: async (versionId, actor, origin) => await deprecate(deps, versionId, actor, origin),
  };
}

async function deprecate(deps: Deps, versionId: string, actor: Actor, origin: RequestOrigin) {
  const { knex, audit } = deps;
  const before = await versions.get(knex, versionId);
  const definition = await definitions.get(knex, before.mcpDefinitionId);
  return await knex.transaction(async (trx) => {
    const changed = await McpVersionModel.query(trx)
      .patch({ deprecatedAt: McpVersionModel.raw("now()") } as object)
      .where("id", versionId)
      .whereNull("deprecated_at");
    const after = await versions.get(trx, versionId);
    if (changed > 0) {
      await audit.record(trx, versionEntry("mcp_version.deprecate", after, definition, actor, origin));
    }
    return presentMcpVersion(after, definition);
  });
}

async function createDefinition(
  deps: Deps,
  body: CreateMcpDefinition,
  actor: Actor,
  origin: RequestOrigin,
): Promise<McpDefinition> {
  const { knex, audit } = deps;
  const { first, faults } = await checkDefinition(deps, body);
  if (faults.length > 0) throw invalidFields(faults);
  return await knex.transaction(async (trx) => {
    const row = await insertDefinition(trx, body, actor);
    if (body.version && first?.checked) await insertVersion(trx, row, body.version, first.checked, actor);
    const answer = await presentWithVersions(trx, row);
    const state = { ...stateOf(row), version: body.version?.version };
    await audit.record(trx, { ...entryOf("mcp_definition.create", row, actor, origin), after: state });
    return answer;
  });
}

async function checkDefinition(deps: Deps, body: Pick<CreateMcpDefinition, "mcpType" | "version">) {
  const unknownType = typeFault("/mcpType", body.mcpType, deps.executors);
  const first = body.version && (await checkMcpVersion(deps, body.mcpType, body.version));
  const faults = [...(unknownType ? [unknownType] : []), ...prefixed("/version", first?.faults ?? [])];
  return { first, faults };
}

function typeFault(path: string, type: string, executors: Deps["executors"]): FieldFault | undefined {
  if (executors.some((one) => one.type === type)) return undefined;
  return { path, message: `must be one of ${executors.map((one) => one.type).join(", ")}` };
}

async function insertDefinition(
  db: Db,
  body: CreateMcpDefinition,
  actor: Actor,
): Promise<McpDefinitionModel> {
  try {
    return await definitions.insert(db, {
      id: newId(),
      name: body.name,
      description: body.description ?? "",
      tags: [...new Set(body.tags ?? [])],
      mcpType: body.mcpType,
      rateLimit: body.rateLimit ?? null,
      createdBy: actor.userId,
    });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw conflict(`There is an MCP definition called "${body.name}"`, [
      { path: "/name", message: "is taken" },
    ]);
  }
}

async function insertVersion(
  db: Db,
  definition: McpDefinitionModel,
  body: CreateMcpVersion,
  checked: CheckedMcpVersion,
  actor: Actor,
): Promise<McpVersionModel> {
  try {
    return await versions.insert(db, {
      id: newId(),
      mcpDefinitionId: definition.id,
      version: checked.version,
      versionOrder: checked.versionOrder,
      description: body.description ?? "",
      config: checked.config,
      inputSchema: (body.inputSchema ?? null) as JsonObject | null,
      outputSchema: (body.outputSchema ?? null) as JsonObject | null,
      externalDbConfigs: body.externalDbConfigs ?? [],
      secrets: body.secrets ?? [],
      createdBy: actor.userId,
    });
  } catch (error) {
    if (isForeignKeyViolation(error)) throw notFound("MCP definition");
    if (!isUniqueViolation(error)) throw error;
    throw conflict(
      `${definition.name} has a version ${checked.version}, build metadata aside; versions never change`,
      [{ path: "/version", message: "is taken" }],
    );
  }
}

async function assertUnused(db: Db, definition: McpDefinitionModel): Promise<void> {
  const users = await findMcpUsers(db, definition);
  if (users.length === 0) return;
  const named = users.map((user) => `${user.kind} ${user.name} (${user.detail})`);
  throw conflict(
    `${definition.name} is used by ${named.join("; ")}`,
    named.map((message) => ({ path: "", message })),
  );
}

async function deleteUnused(db: Db, definition: McpDefinitionModel): Promise<void> {
  try {
    await dropOrphanedLinks(db, definition.id);
    if (!(await definitions.delete(db, definition.id))) throw notFound("MCP definition");
  } catch (error) {
    if (!isForeignKeyViolation(error)) throw error;
    throw conflict(`${definition.name} came into use while it was being deleted`);
  }
}

function stateOf(row: McpDefinitionModel) {
  return {
    name: row.name,
    description: row.description,
    tags: row.tags,
    mcpType: row.mcpType,
    rateLimit: row.rateLimit,
    revision: row.revision,
  };
}

function entryOf(action: string, row: McpDefinitionModel, actor: Actor, origin: RequestOrigin) {
  return { actor, origin, action, entityType: "mcp_definition", entityId: row.id };
}

/** The log says which version; its code and settings stay in the versions table, where they never change. */
function versionEntry(
  action: string,
  row: McpVersionModel,
  definition: McpDefinitionModel,
  actor: Actor,
  origin: RequestOrigin,
) {
  const { version, deprecatedAt, secrets, externalDbConfigs } = row;
  const after = {
    name: definition.name,
    mcpType: definition.mcpType,
    version,
    deprecatedAt,
    uses: { secrets, externalDbConfigs },
  };
  return { actor, origin, action, entityType: "mcp_version", entityId: row.id, after };
}
