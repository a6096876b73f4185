import { appDetailSchema, appListQuerySchema, appPageSchema, appSchema } from "../../contracts/api/apps.js";
import { idParamsSchema } from "../../contracts/api/common.js";
import type { Apps } from "../../services/apps/apps.js";
import { defineRoute, type RouteDefinition } from "../route.js";

const TAG = "Apps";
const PATH = "/api/v1/apps";

/** `/api/v1/apps`: apps that steps have started. They are opened at `/apps/{id}/`. */
export function appRoutes({ apps }: { readonly apps: Apps }): RouteDefinition[] {
  return [
    defineRoute({
      method: "get",
      path: PATH,
      permission: "app:read",
      summary: "List apps, those that have ended within thirty days included",
      tag: TAG,
      query: appListQuerySchema,
      answers: { 200: { description: "One page", schema: appPageSchema } },
      handler: async ({ query }) => ({ status: 200, body: await apps.list(query) }),
    }),
    defineRoute({
      method: "get",
      path: `${PATH}/:id`,
      permission: "app:read",
      summary: "Show an app, with the last lines that it has said",
      tag: TAG,
      params: idParamsSchema,
      answers: { 200: { description: "The app", schema: appDetailSchema } },
      handler: async ({ params }) => ({ status: 200, body: await apps.get(params.id) }),
    }),
    defineRoute({
      method: "post",
      path: `${PATH}/:id/stop`,
      permission: "app:stop",
      summary: "Stop an app; a step that waits for it fails",
      tag: TAG,
      params: idParamsSchema,
      answers: {
        202: { description: "Its worker was told", schema: appSchema },
        409: { description: "It has ended already" },
      },
      locate: async ({ params }) => await apps.get(params.id),
      handler: async ({ params, actor, origin }) => ({
        status: 202,
        body: await apps.stop(params.id, { actor, origin }),
      }),
    }),
  ];
}
