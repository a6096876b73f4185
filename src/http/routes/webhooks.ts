import { idParamsSchema, pageQuerySchema } from "../../contracts/api/common.js";
import {
  changedWebhookSchema,
  createWebhookSchema,
  listWebhooksSchema,
  openedWebhookSchema,
  updateWebhookSchema,
  webhookDeliveryPageSchema,
  webhookPageSchema,
  webhookSchema,
} from "../../contracts/api/webhooks.js";
import type { Webhooks } from "../../services/webhooks/webhooks.js";
import { parseIfMatch } from "../if-match.js";
import { defineRoute, type RouteDefinition } from "../route.js";

const TAG = "Webhooks";
const PATH = "/api/v1/webhooks";

/** `/api/v1/webhooks`: what `POST /hooks/{token}` starts. */
export function webhookRoutes(deps: { readonly webhooks: Webhooks }): RouteDefinition[] {
  return [...readRoutes(deps.webhooks), ...createRoutes(deps.webhooks), ...changeRoutes(deps.webhooks)];
}

function readRoutes(webhooks: Webhooks): RouteDefinition[] {
  return [
    defineRoute({
      method: "get",
      path: PATH,
      permission: "webhook:read",
      summary: "List webhooks",
      tag: TAG,
      query: listWebhooksSchema,
      answers: { 200: { description: "One page", schema: webhookPageSchema } },
      handler: async ({ query }) => ({ status: 200, body: await webhooks.list(query) }),
    }),
    defineRoute({
      method: "get",
      path: `${PATH}/:id`,
      permission: "webhook:read",
      summary: "Show a webhook, without its token and secret",
      tag: TAG,
      params: idParamsSchema,
      answers: { 200: { description: "The webhook", schema: webhookSchema } },
      handler: async ({ params }) => ({ status: 200, body: await webhooks.get(params.id) }),
    }),
    defineRoute({
      method: "get",
      path: `${PATH}/:id/deliveries`,
      permission: "webhook:read",
      summary: "List the newest deliveries to a webhook and what became of them",
      tag: TAG,
      params: idParamsSchema,
      query: pageQuerySchema,
      answers: {
        200: { description: "One page; a hundred are kept", schema: webhookDeliveryPageSchema },
      },
      locate: async ({ params }) => await webhooks.get(params.id),
      handler: async ({ params, query }) => ({
        status: 200,
        body: await webhooks.listDeliveries(params.id, query),
      }),
    }),
  ];
}

function createRoutes(webhooks: Webhooks): RouteDefinition[] {
  return [
    defineRoute({
      method: "post",
      path: PATH,
      permission: "webhook:write",
      summary: "Make a webhook; the answer shows its token, and a generated secret, for the only time",
      tag: TAG,
      body: createWebhookSchema,
      answers: {
        201: { description: "Made", schema: openedWebhookSchema },
        409: { description: "The name is taken" },
      },
      async handler({ body, actor, origin }) {
        const webhook = await webhooks.create(body, { actor, origin });
        return { status: 201, headers: { Location: `${PATH}/${webhook.id}` }, body: webhook };
      },
    }),
    defineRoute({
      method: "post",
      path: `${PATH}/:id/rotate`,
      permission: "webhook:write",
      summary: "Give a webhook a new token; the old one is refused at once",
      tag: TAG,
      params: idParamsSchema,
      answers: { 200: { description: "With the new token", schema: openedWebhookSchema } },
      handler: async ({ params, actor, origin }) => ({
        status: 200,
        body: await webhooks.rotate(params.id, { actor, origin }),
      }),
    }),
  ];
}

function changeRoutes(webhooks: Webhooks): RouteDefinition[] {
  return [
    defineRoute({
      method: "patch",
      path: `${PATH}/:id`,
      permission: "webhook:write",
      summary: "Change a webhook",
      tag: TAG,
      params: idParamsSchema,
      body: updateWebhookSchema,
      answers: {
        200: { description: "Changed", schema: changedWebhookSchema },
        409: { description: "The name is taken" },
        412: { description: "Changed by somebody else since" },
      },
      locate: async ({ params }) => await webhooks.get(params.id),
      async handler({ params, body, header, actor, origin }) {
        const revision = parseIfMatch(header("if-match"));
        return { status: 200, body: await webhooks.update(params.id, body, revision, { actor, origin }) };
      },
    }),
    defineRoute({
      method: "delete",
      path: `${PATH}/:id`,
      permission: "webhook:write",
      summary: "Delete a webhook; its runs stay",
      tag: TAG,
      params: idParamsSchema,
      answers: { 204: { description: "Deleted" } },
      async handler({ params, actor, origin }) {
        await webhooks.remove(params.id, { actor, origin });
        return { status: 204 };
      },
    }),
  ];
}
