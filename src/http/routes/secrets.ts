import { z } from "zod";
import { pageQuerySchema } from "../../contracts/api/common.js";
import { putSecretSchema, secretPageSchema, secretSchema } from "../../contracts/api/secrets.js";
import type { SecretStore } from "../../services/secrets/secret-store.js";
import { parseIfMatch } from "../if-match.js";
import { defineRoute, type RouteDefinition } from "../route.js";

const TAG = "Secrets";
const PATH = "/api/v1/secrets";
const nameParamsSchema = z.strictObject({ name: z.string() });

/** `/api/v1/secrets`: values go in and never come out. */
export function secretRoutes(deps: { readonly secrets: SecretStore }): RouteDefinition[] {
  const { secrets } = deps;
  return [
    defineRoute({
      method: "get",
      path: PATH,
      permission: "secret:read",
      summary: "List secrets by name, without values",
      tag: TAG,
      query: pageQuerySchema,
      answers: { 200: { description: "One page", schema: secretPageSchema } },
      handler: async ({ query }) => ({ status: 200, body: await secrets.list(query) }),
    }),
    defineRoute({
      method: "get",
      path: `${PATH}/:name`,
      permission: "secret:read",
      summary: "Show a secret, without its value",
      tag: TAG,
      params: nameParamsSchema,
      answers: { 200: { description: "The secret's description", schema: secretSchema } },
      handler: async ({ params }) => ({ status: 200, body: await secrets.get(params.name) }),
    }),
    defineRoute({
      method: "put",
      path: `${PATH}/:name`,
      permission: "secret:write",
      summary: "Create or replace a secret",
      tag: TAG,
      params: nameParamsSchema,
      body: putSecretSchema,
      answers: {
        200: { description: "Replaced", schema: secretSchema },
        201: { description: "Created", schema: secretSchema },
        412: { description: "Changed by somebody else since" },
      },
      async handler({ params, body, header, actor, origin }) {
        const revision = parseIfMatch(header("if-match"));
        const { secret, isNew } = await secrets.put({ actor, origin }, params.name, body, revision);
        if (!isNew) return { status: 200, body: secret };
        return { status: 201, headers: { Location: `${PATH}/${secret.name}` }, body: secret };
      },
    }),
    defineRoute({
      method: "delete",
      path: `${PATH}/:name`,
      permission: "secret:write",
      summary: "Delete a secret",
      tag: TAG,
      params: nameParamsSchema,
      answers: { 204: { description: "Deleted" } },
      async handler({ params, actor, origin }) {
        await secrets.delete({ actor, origin }, params.name);
        return { status: 204 };
      },
    }),
  ];
}
