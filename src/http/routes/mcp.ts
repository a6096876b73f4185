import { z } from "zod";
import type { RouteRequest, RouteResponse } from "../route.js";
import { defineRoute, type RouteDefinition } from "../route.js";

const METADATA = "/.well-known/oauth-protected-resource";

/** What serves posts to `/mcp`. */
export type McpEndpoint = (request: RouteRequest<unknown, unknown, Buffer>) => Promise<RouteResponse>;

/** `/mcp`, a Model Context Protocol server, and what tells clients how to get in. */
export function mcpRoutes({ endpoint }: { readonly endpoint: McpEndpoint }): RouteDefinition[] {
  return [
    defineRoute({
      method: "post",
      path: "/mcp",
      permission: "run:read",
      summary:
        "Model Context Protocol, streamable HTTP: workflows as tools, and tools over runs and definitions",
      tag: "Model Context Protocol",
      rawBody: true,
      resourceMetadata: `${METADATA}/mcp`,
      answers: {
        200: { description: "Answers, as JSON-RPC on an event stream.", contentType: "text/event-stream" },
        202: { description: "Taken: notifications and answers." },
        400: { description: "No JSON-RPC." },
        403: { description: "Asked by a web page of another origin." },
        404: { description: "No such session: initialise anew." },
        406: { description: "The client does not accept JSON and event streams." },
        413: { description: "More than 100 messages, or too many bytes." },
        415: { description: "No JSON." },
      },
      handler: endpoint as never,
    }),
    ...["", "/mcp"].map((suffix) =>
      defineRoute({
        method: "get",
        path: METADATA + suffix,
        permission: "public",
        summary: "How clients of /mcp prove who they are (RFC 9728)",
        tag: "Model Context Protocol",
        answers: { 200: { description: "The metadata.", schema: metadataSchema } },
        handler: async ({ header, isSecure }) => ({
          status: 200,
          body: describeResource(`${isSecure ? "https" : "http"}://${header("host") ?? ""}`),
        }),
      }),
    ),
  ];
}

const metadataSchema = z.object({
  resource: z.string(),
  resource_name: z.string(),
  bearer_methods_supported: z.array(z.string()),
  resource_documentation: z.string(),
});

/** No authorization server is named: tokens come from `POST /api/v1/auth/login`, and keys from `…/auth/api-keys`. */
function describeResource(baseUrl: string): z.infer<typeof metadataSchema> {
  return {
    resource: `${baseUrl}/mcp`,
    resource_name: "Headrace",
    bearer_methods_supported: ["header"],
    resource_documentation: `${baseUrl}/docs`,
  };
}
