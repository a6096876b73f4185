import { nameOrIdParamsSchema } from "../../contracts/api/definition-fields.js";
import { clearedCacheSchema } from "../../contracts/api/step-cache.js";
import type { CacheInvalidation, CacheOwner } from "../../services/step-cache/cache-invalidation.js";
import { defineRoute, type RouteDefinition } from "../route.js";

/** What the routes of cached results call. */
export interface StepCacheRouteDeps {
  readonly invalidation: CacheInvalidation;
}

/** Forgetting cached results of steps: of one version of an MCP, of an MCP, of a workflow. */
export function stepCacheRoutes({ invalidation }: StepCacheRouteDeps): RouteDefinition[] {
  const clear = (owner: CacheOwner, path: string, tag: string, what: string) =>
    defineRoute({
      method: "delete",
      path: `${path}/:id/cache`,
      permission: "definition:write",
      summary: `Forget the cached results of ${what}`,
      tag,
      params: nameOrIdParamsSchema,
      answers: { 200: { description: "Forgotten", schema: clearedCacheSchema } },
      locate: async ({ params }) => await invalidation.locate(owner, params.id),
      async handler({ params, actor, origin }) {
        return { status: 200, body: await invalidation.forget(owner, params.id, actor, origin) };
      },
    });
  return [
    clear("mcp_version", "/api/v1/mcp-versions", "MCPs", "one version of an MCP"),
    clear("mcp_definition", "/api/v1/mcp-definitions", "MCPs", "every version of an MCP"),
    clear("workflow_definition", "/api/v1/workflow-definitions", "Workflows", "a workflow"),
  ];
}
