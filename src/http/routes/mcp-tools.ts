import { idParamsSchema } from "../../contracts/api/common.js";
import { listToolsQuerySchema, mcpToolsSchema } from "../../contracts/api/mcp-tools.js";
import type { ToolLists } from "../../services/mcp-registry/list-tools.js";
import { defineRoute, type RouteDefinition } from "../route.js";

/** `/api/v1/mcp-versions/{id}/tools`: what a Model Context Protocol package offers. */
export function mcpToolRoutes({ toolLists }: { readonly toolLists: ToolLists }): RouteDefinition[] {
  return [
    defineRoute({
      method: "get",
      path: "/api/v1/mcp-versions/:id/tools",
      // it starts a process
      permission: "definition:write",
      summary: "Start the server of a Model Context Protocol package, and list and compare its tools",
      tag: "MCPs",
      params: idParamsSchema,
      query: listToolsQuerySchema,
      answers: {
        200: {
          description: "The live tools; the first list becomes the version's contract",
          schema: mcpToolsSchema,
        },
        409: { description: "The version is of another type" },
        502: { description: "The server could not be started or asked; the detail says why" },
        503: { description: "No worker was free to ask it in time" },
      },
      locate: async ({ params }) => await toolLists.locate(params.id),
      handler: async ({ params, query, actor, origin, signal }) => ({
        status: 200,
        body: await toolLists.list(params.id, query, { actor, origin, signal }),
      }),
    }),
  ];
}
