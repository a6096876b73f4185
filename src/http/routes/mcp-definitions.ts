import { z } from "zod";
import { idParamsSchema } from "../../contracts/api/common.js";
import { nameOrIdParamsSchema } from "../../contracts/api/definition-fields.js";
import {
  createMcpDefinitionSchema,
  createMcpVersionSchema,
  listMcpDefinitionsSchema,
  listMcpVersionsSchema,
  mcpDefinitionPageSchema,
  mcpDefinitionSchema,
  mcpVersionPageSchema,
  mcpVersionSchema,
  updateMcpDefinitionSchema,
} from "../../contracts/api/mcp-definitions.js";
import { mcpConfigSchema } from "../../executors/registry.js";
import type { McpRegistry } from "../../services/mcp-registry/mcp-registry.js";
import { parseIfMatch } from "../if-match.js";
import { defineRoute, type RouteDefinition } from "../route.js";

const TAG = "MCPs";
const PATH = "/api/v1/mcp-definitions";

/** The registry judges `config` itself, with everything else at once; the OpenAPI document shows what it must be. */
const versionBodySchema = createMcpVersionSchema.extend({
  config: z.unknown().meta({
    id: "McpConfig",
    override: ({ jsonSchema }: { jsonSchema: object }) => {
      const { $schema: _dialect, ...union } = z.toJSONSchema(mcpConfigSchema, {
        io: "input",
        unrepresentable: "any",
      });
      Object.assign(jsonSchema, union);
    },
  }),
});
const definitionBodySchema = createMcpDefinitionSchema.extend({ version: versionBodySchema.optional() });

/** What the registry itself judges; the rest of a body may be as it likes. */
const judgedSchema = z.object({
  mcpType: definitionBodySchema.shape.mcpType,
  version: definitionBodySchema.shape.version,
});

/** `/api/v1/mcp-definitions` and `/api/v1/mcp-versions`: the components and their versions. */
export function mcpDefinitionRoutes(deps: { readonly registry: McpRegistry }): RouteDefinition[] {
  const { registry } = deps;
  return [...definitionRoutes(registry), ...definitionChangeRoutes(registry), ...versionRoutes(registry)];
}

function definitionRoutes(registry: McpRegistry): RouteDefinition[] {
  return [
    defineRoute({
      method: "get",
      path: PATH,
      permission: "definition:read",
      summary: "List MCPs",
      tag: TAG,
      query: listMcpDefinitionsSchema,
      answers: { 200: { description: "One page", schema: mcpDefinitionPageSchema } },
      handler: async ({ query }) => ({ status: 200, body: await registry.list(query) }),
    }),
    defineRoute({
      method: "get",
      path: `${PATH}/:id`,
      permission: "definition:read",
      summary: "Show an MCP",
      tag: TAG,
      params: nameOrIdParamsSchema,
      answers: { 200: { description: "The MCP", schema: mcpDefinitionSchema } },
      handler: async ({ params }) => ({ status: 200, body: await registry.get(params.id) }),
    }),
    defineRoute({
      method: "get",
      path: `${PATH}/:id/versions`,
      permission: "definition:read",
      summary: "List the versions of an MCP",
      tag: TAG,
      params: nameOrIdParamsSchema,
      query: listMcpVersionsSchema,
      answers: { 200: { description: "One page", schema: mcpVersionPageSchema } },
      locate: async ({ params }) => await registry.get(params.id),
      handler: async ({ params, query }) => ({
        status: 200,
        body: await registry.listVersions(params.id, query),
      }),
    }),
  ];
}

function definitionChangeRoutes(registry: McpRegistry): RouteDefinition[] {
  return [
    defineRoute({
      method: "post",
      path: PATH,
      permission: "definition:write",
      summary: "Register an MCP, with or without its first version",
      tag: TAG,
      body: definitionBodySchema,
      async judgeFurther(body) {
        const fit = judgedSchema.safeParse(body);
        return fit.success ? await registry.judge(fit.data) : [];
      },
      answers: {
        201: { description: "Registered", schema: mcpDefinitionSchema },
        409: { description: "The name is taken" },
      },
      async handler({ body, actor, origin }) {
        const definition = await registry.create(body, actor, origin);
        return { status: 201, headers: { Location: `${PATH}/${definition.id}` }, body: definition };
      },
    }),
    defineRoute({
      method: "patch",
      path: `${PATH}/:id`,
      permission: "definition:write",
      summary: "Change description, tags or rate limit of an MCP",
      tag: TAG,
      params: nameOrIdParamsSchema,
      body: updateMcpDefinitionSchema,
      answers: {
        200: { description: "Changed", schema: mcpDefinitionSchema },
        412: { description: "Changed by somebody else since" },
      },
      locate: async ({ params }) => await registry.get(params.id),
      async handler({ params, body, header, actor, origin }) {
        const revision = parseIfMatch(header("if-match"));
        return { status: 200, body: await registry.update(params.id, body, revision, actor, origin) };
      },
    }),
    defineRoute({
      method: "delete",
      path: `${PATH}/:id`,
      permission: "definition:write",
      summary: "Delete an MCP that nothing uses",
      tag: TAG,
      params: nameOrIdParamsSchema,
      answers: { 204: { description: "Deleted" }, 409: { description: "In use; the users are named" } },
      async handler({ params, actor, origin }) {
        await registry.remove(params.id, actor, origin);
        return { status: 204 };
      },
    }),
  ];
}

function versionRoutes(registry: McpRegistry): RouteDefinition[] {
  return [
    defineRoute({
      method: "post",
      path: `${PATH}/:id/versions`,
      permission: "definition:write",
      summary: "Add a version to an MCP",
      tag: TAG,
      params: nameOrIdParamsSchema,
      body: versionBodySchema,
      answers: {
        201: { description: "Added", schema: mcpVersionSchema },
        409: { description: "There is such a version, build metadata aside" },
      },
      locate: async ({ params }) => await registry.get(params.id),
      async handler({ params, body, actor, origin }) {
        const version = await registry.createVersion(params.id, body, actor, origin);
        return { status: 201, headers: { Location: `/api/v1/mcp-versions/${version.id}` }, body: version };
      },
    }),
    defineRoute({
      method: "get",
      path: "/api/v1/mcp-versions/:id",
      permission: "definition:read",
      summary: "Show a version of an MCP",
      tag: TAG,
      params: idParamsSchema,
      answers: { 200: { description: "The version", schema: mcpVersionSchema } },
      handler: async ({ params }) => ({ status: 200, body: await registry.getVersion(params.id) }),
    }),
    defineRoute({
      method: "post",
      path: "/api/v1/mcp-versions/:id/deprecate",
      permission: "definition:write",
      summary: "Deprecate a version: new workflow versions no longer take it by themselves",
      tag: TAG,
      params: idParamsSchema,
      answers: { 200: { description: "Deprecated, now or before", schema: mcpVersionSchema } },
      async handler({ params, actor, origin }) {
        return { status: 200, body: await registry.deprecateVersion(params.id, actor, origin) };
      },
    }),
  ];
}
