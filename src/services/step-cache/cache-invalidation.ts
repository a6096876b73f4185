import type { Knex } from "knex";
import type { Actor, RequestOrigin } from "../../core/actor.js";
import { isUuid } from "../../core/ids.js";
import { notFound } from "../../errors/app-error.js";
import type { AuditLog } from "../audit/audit-log.js";
import { getMcpByNameOrId } from "../mcp-registry/mcp-queries.js";
import { getWorkflowByNameOrId } from "../workflow-definitions/workflow-queries.js";
import type { CacheScope, StepCache } from "./step-cache.js";

/** What has cached results. */
export type CacheOwner = "mcp_version" | "mcp_definition" | "workflow_definition";

/** Forgetting cached results on demand. */
export interface CacheInvalidation {
  /** The owner's id. @throws AppError NOT_FOUND */
  locate(owner: CacheOwner, nameOrId: string): Promise<string>;
  /** With its audit entry. @returns how many results were forgotten. @throws AppError NOT_FOUND */
  forget(
    owner: CacheOwner,
    nameOrId: string,
    actor: Actor,
    origin: RequestOrigin,
  ): Promise<{ readonly removed: number }>;
}

/** Makes it over a database. */
export function createCacheInvalidation(deps: {
  readonly knex: Knex;
  readonly audit: AuditLog;
  readonly cache: Pick<StepCache, "invalidate">;
}): CacheInvalidation {
  const { knex, audit, cache } = deps;

  async function locate(owner: CacheOwner, nameOrId: string): Promise<string> {
    if (owner === "mcp_definition") return (await getMcpByNameOrId(knex, nameOrId)).id;
    if (owner === "workflow_definition") return (await getWorkflowByNameOrId(knex, nameOrId)).id;
    const row = isUuid(nameOrId) ? await knex("mcp_versions").first("id").where("id", nameOrId) : undefined;
    if (!row) throw notFound("MCP version");
    return row.id as string;
  }

  return {
    locate,
    async forget(owner, nameOrId, actor, origin) {
      const id = await locate(owner, nameOrId);
      return await knex.transaction(async (trx) => {
        const removed = await cache.invalidate(toScope(owner, id), trx);
        const entry = { actor, origin, action: `${owner}.clear_cache`, entityType: owner, entityId: id };
        await audit.record(trx, { ...entry, after: { removed } });
        return { removed };
      });
    },
  };
}

function toScope(owner: CacheOwner, id: string): CacheScope {
  if (owner === "mcp_version") return { mcpVersionId: id };
  return owner === "mcp_definition" ? { mcpDefinitionId: id } : { workflowId: id };
}
