import { idParamsSchema, pageQuerySchema } from "../../contracts/api/common.js";
import { createUserSchema, updateUserSchema, userPageSchema, userSchema } from "../../contracts/api/users.js";
import type { Users } from "../../services/users/users.js";
import { parseIfMatch } from "../if-match.js";
import { defineRoute, type RouteDefinition } from "../route.js";

const TAG = "Users";
const PATH = "/api/v1/users";

/** `/api/v1/users`: for admins. */
export function userRoutes(deps: { readonly users: Users }): RouteDefinition[] {
  const { users } = deps;
  return [
    defineRoute({
      method: "get",
      path: PATH,
      permission: "user:manage",
      summary: "List people",
      tag: TAG,
      query: pageQuerySchema,
      answers: { 200: { description: "One page", schema: userPageSchema } },
      handler: async ({ query }) => ({ status: 200, body: await users.list(query) }),
    }),
    defineRoute({
      method: "post",
      path: PATH,
      permission: "user:manage",
      summary: "Add a person",
      tag: TAG,
      body: createUserSchema,
      answers: {
        201: { description: "Added", schema: userSchema },
        409: { description: "The e-mail address is taken" },
      },
      async handler({ body, actor, sessionId, origin }) {
        const user = await users.create({ actor, sessionId, origin }, body);
        return { status: 201, headers: { Location: `${PATH}/${user.id}` }, body: user };
      },
    }),
    ...oneUserRoutes(users),
  ];
}

function oneUserRoutes(users: Users): RouteDefinition[] {
  return [
    defineRoute({
      method: "get",
      path: `${PATH}/:id`,
      permission: "user:manage",
      summary: "Show a person",
      tag: TAG,
      params: idParamsSchema,
      answers: { 200: { description: "The person", schema: userSchema } },
      handler: async ({ params }) => ({ status: 200, body: await users.get(params.id) }),
    }),
    defineRoute({
      method: "patch",
      path: `${PATH}/:id`,
      permission: "user:manage",
      summary: "Change a person; a new password or a deactivation ends their sessions",
      tag: TAG,
      params: idParamsSchema,
      body: updateUserSchema,
      answers: {
        200: { description: "Changed", schema: userSchema },
        409: { description: "The address is taken, or this is the last active admin" },
        412: { description: "Changed by somebody else since" },
      },
      locate: async ({ params }) => await users.get(params.id),
      async handler({ params, body, header, actor, sessionId, origin }) {
        const caller = { actor, sessionId, origin };
        return {
          status: 200,
          body: await users.update(caller, params.id, body, parseIfMatch(header("if-match"))),
        };
      },
    }),
    defineRoute({
      method: "delete",
      path: `${PATH}/:id`,
      permission: "user:manage",
      summary: "Remove a person with sessions and API keys",
      tag: TAG,
      params: idParamsSchema,
      answers: { 204: { description: "Removed" }, 409: { description: "This is the last active admin" } },
      async handler({ params, actor, sessionId, origin }) {
        await users.delete({ actor, sessionId, origin }, params.id);
        return { status: 204 };
      },
    }),
  ];
}
