import { z } from "zod";
import { pageQuerySchema } from "../../contracts/api/common.js";
import {
  createExternalDbSchema,
  databaseSchemaSchema,
  externalDbPageSchema,
  externalDbSchema,
  externalDbTestSchema,
  queryExternalDbSchema,
  queryResultSchema,
  schemaQuerySchema,
  updateExternalDbSchema,
} from "../../contracts/api/external-db-configs.js";
import type { ExternalDbs } from "../../services/external-dbs/external-dbs.js";
import { parseIfMatch } from "../if-match.js";
import { defineRoute, type RouteDefinition } from "../route.js";

const TAG = "External databases";
const PATH = "/api/v1/external-db-configs";
const paramsSchema = z.strictObject({ id: z.string().meta({ description: "Id or name." }) });

/** `/api/v1/external-db-configs` */
export function externalDbRoutes(deps: { readonly externalDbs: ExternalDbs }): RouteDefinition[] {
  return [...readRoutes(deps.externalDbs), ...changeRoutes(deps.externalDbs), ...useRoutes(deps.externalDbs)];
}

function readRoutes(externalDbs: ExternalDbs): RouteDefinition[] {
  return [
    defineRoute({
      method: "get",
      path: PATH,
      permission: "connection:read",
      summary: "List external databases",
      tag: TAG,
      query: pageQuerySchema,
      answers: { 200: { description: "One page", schema: externalDbPageSchema } },
      handler: async ({ query }) => ({ status: 200, body: await externalDbs.list(query) }),
    }),
    defineRoute({
      method: "get",
      path: `${PATH}/:id`,
      permission: "connection:read",
      summary: "Show an external database, without its secrets",
      tag: TAG,
      params: paramsSchema,
      answers: { 200: { description: "The database", schema: externalDbSchema } },
      handler: async ({ params }) => ({ status: 200, body: await externalDbs.get(params.id) }),
    }),
  ];
}

function changeRoutes(externalDbs: ExternalDbs): RouteDefinition[] {
  return [
    defineRoute({
      method: "post",
      path: PATH,
      permission: "connection:write",
      summary: "Register an external database; nothing is connected to yet",
      tag: TAG,
      body: createExternalDbSchema,
      answers: {
        201: { description: "Registered", schema: externalDbSchema },
        409: { description: "The name is taken" },
      },
      async handler({ body, actor, origin }) {
        const made = await externalDbs.create(body, { actor, origin });
        return { status: 201, headers: { Location: `${PATH}/${made.id}` }, body: made };
      },
    }),
    defineRoute({
      method: "patch",
      path: `${PATH}/:id`,
      permission: "connection:write",
      summary:
        "Change an external database; where its secrets are sent changes only with the secrets given again",
      tag: TAG,
      params: paramsSchema,
      body: updateExternalDbSchema,
      answers: {
        200: { description: "Changed", schema: externalDbSchema },
        409: { description: "The name is taken, or somebody uses the old one" },
        412: { description: "Changed by somebody else since" },
      },
      locate: async ({ params }) => await externalDbs.get(params.id),
      async handler({ params, body, header, actor, origin }) {
        const revision = parseIfMatch(header("if-match"));
        return { status: 200, body: await externalDbs.update(params.id, body, revision, { actor, origin }) };
      },
    }),
    defineRoute({
      method: "delete",
      path: `${PATH}/:id`,
      permission: "connection:write",
      summary: "Forget an external database; the database itself stays as it is",
      tag: TAG,
      params: paramsSchema,
      answers: { 204: { description: "Forgotten" }, 409: { description: "Somebody uses it" } },
      async handler({ params, actor, origin }) {
        await externalDbs.remove(params.id, { actor, origin });
        return { status: 204 };
      },
    }),
  ];
}

function useRoutes(externalDbs: ExternalDbs): RouteDefinition[] {
  return [
    defineRoute({
      method: "post",
      path: `${PATH}/:id/test`,
      permission: "connection:use",
      summary: "Try whether an external database answers",
      tag: TAG,
      params: paramsSchema,
      answers: { 200: { description: "Whether it does", schema: externalDbTestSchema } },
      handler: async ({ params, signal }) => ({
        status: 200,
        body: await externalDbs.test(params.id, signal),
      }),
    }),
    defineRoute({
      method: "post",
      path: `${PATH}/:id/query`,
      permission: "connection:use",
      summary: "Run one statement; only reading unless readOnly is false",
      tag: TAG,
      params: paramsSchema,
      body: queryExternalDbSchema,
      answers: {
        200: { description: "What it gave", schema: queryResultSchema },
        502: { description: "The database cannot be reached, or took too long" },
      },
      locate: async ({ params }) => await externalDbs.get(params.id),
      handler: async ({ params, body, signal, actor, origin }) => ({
        status: 200,
        body: await externalDbs.query(params.id, body, signal, { actor, origin }),
      }),
    }),
    defineRoute({
      method: "get",
      path: `${PATH}/:id/schema`,
      permission: "connection:use",
      summary: "Show the tables and columns of an external database",
      tag: TAG,
      params: paramsSchema,
      query: schemaQuerySchema,
      answers: {
        200: { description: "The stored scan, or a new one", schema: databaseSchemaSchema },
        502: { description: "The database cannot be reached" },
      },
      locate: async ({ params }) => await externalDbs.get(params.id),
      handler: async ({ params, query, signal }) => ({
        status: 200,
        body: await externalDbs.readSchema(params.id, query.refresh, signal),
      }),
    }),
  ];
}
