import {
  entityListQuerySchema,
  entityPageSchema,
  entityParamsSchema,
  entitySchema,
  entityTypeParamsSchema,
} from "../../contracts/api/entities.js";
import type { Entities } from "../../services/entities/entities.js";
import { defineRoute, type RouteDefinition } from "../route.js";

const COMMON = { method: "get", permission: "dashboard:read", tag: "Entities" } as const;

/** `/api/v1/entities`: things of every type in one shape. */
export function entityRoutes({ entities }: { readonly entities: Entities }): RouteDefinition[] {
  return [
    defineRoute({
      ...COMMON,
      path: "/api/v1/entities/:entityType",
      summary: "List things of one type, newest first",
      params: entityTypeParamsSchema,
      query: entityListQuerySchema,
      answers: {
        200: { description: "One page.", schema: entityPageSchema },
        403: { description: "Users are listed for admins alone; others need the permission to read the type." },
        404: { description: "No such type, or no such run." },
        422: { description: "A filter that the type does not have." },
      },
      handler: async ({ params, query, actor }) => ({
        status: 200,
        body: await entities.list(params.entityType, query, actor),
      }),
    }),
    defineRoute({
      ...COMMON,
      path: "/api/v1/entities/:entityType/:id",
      summary: "Show one thing of any type",
      params: entityParamsSchema,
      answers: {
        200: { description: "The thing.", schema: entitySchema },
        403: { description: "The permission to read the type is lacking." },
        404: { description: "No such type, or nothing of this type with this id." },
      },
      handler: async ({ params, actor }) => ({
        status: 200,
        body: await entities.get(params.entityType, params.id, actor),
      }),
    }),
  ];
}
