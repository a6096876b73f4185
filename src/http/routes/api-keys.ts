import {
  apiKeyPageSchema,
  apiKeySchema,
  createApiKeySchema,
  createdApiKeySchema,
} from "../../contracts/api/api-keys.js";
import { idParamsSchema, pageQuerySchema } from "../../contracts/api/common.js";
import type { ApiKeys } from "../../services/auth/api-keys.js";
import { defineRoute, type RouteDefinition } from "../route.js";

const TAG = "API keys";
const PATH = "/api/v1/auth/api-keys";

/** `/api/v1/auth/api-keys`: one's own keys; with `api-key:any`, everybody's. */
export function apiKeyRoutes(deps: { readonly apiKeys: ApiKeys }): RouteDefinition[] {
  const { apiKeys } = deps;
  return [
    defineRoute({
      method: "get",
      path: PATH,
      permission: "api-key:own",
      summary: "List API keys: one's own, or for an admin everybody's",
      tag: TAG,
      query: pageQuerySchema,
      answers: { 200: { description: "One page", schema: apiKeyPageSchema } },
      handler: async ({ actor, query }) => ({ status: 200, body: await apiKeys.list(actor, query) }),
    }),
    defineRoute({
      method: "post",
      path: PATH,
      permission: "api-key:own",
      summary: "Make an API key; the answer shows it for the only time",
      tag: TAG,
      body: createApiKeySchema,
      answers: { 201: { description: "Made", schema: createdApiKeySchema } },
      async handler({ actor, origin, body }) {
        const made = await apiKeys.create(actor, origin, body);
        return { status: 201, headers: { Location: `${PATH}/${made.id}` }, body: made };
      },
    }),
    defineRoute({
      method: "get",
      path: `${PATH}/:id`,
      permission: "api-key:own",
      summary: "Show an API key, without the key itself",
      tag: TAG,
      params: idParamsSchema,
      answers: { 200: { description: "The key's description", schema: apiKeySchema } },
      handler: async ({ actor, params }) => ({ status: 200, body: await apiKeys.get(actor, params.id) }),
    }),
    defineRoute({
      method: "delete",
      path: `${PATH}/:id`,
      permission: "api-key:own",
      summary: "Revoke an API key at once",
      tag: TAG,
      params: idParamsSchema,
      answers: { 204: { description: "Revoked" } },
      async handler({ actor, origin, params }) {
        await apiKeys.revoke(actor, origin, params.id);
        return { status: 204 };
      },
    }),
  ];
}
