import {
  bulkOperationListQuerySchema,
  bulkOperationPageSchema,
  bulkOperationSchema,
  createBulkOperationSchema,
} from "../../contracts/api/bulk-operations.js";
import { idParamsSchema } from "../../contracts/api/common.js";
import type { BulkOperations } from "../../services/bulk-operations/bulk-operations.js";
import { defineRoute, type RouteDefinition } from "../route.js";

const TAG = "Runs";
const PATH = "/api/v1/workflow-runs/bulk";
const UNKNOWN = { 404: { description: "No such bulk operation." } };

/** `/api/v1/workflow-runs/bulk`: one action on many runs. */
export function bulkOperationRoutes({ bulk }: { readonly bulk: BulkOperations }): RouteDefinition[] {
  return [...changeRoutes(bulk), ...readRoutes(bulk)];
}

function changeRoutes(bulk: BulkOperations): RouteDefinition[] {
  return [
    defineRoute({
      method: "post",
      path: PATH,
      // the weakest that any action demands; the service judges the action's own
      permission: "run:cancel",
      summary: "Cancel, rerun or replay many runs: those that the filter leaves now, at a steady rate",
      tag: TAG,
      body: createBulkOperationSchema,
      answers: { 202: { description: "Accepted: the operation.", schema: bulkOperationSchema } },
      async handler({ body, actor, origin }) {
        const operation = await bulk.create(body, actor, origin);
        return { status: 202, headers: { Location: `${PATH}/${operation.id}` }, body: operation };
      },
    }),
    defineRoute({
      method: "post",
      path: `${PATH}/:id/cancel`,
      permission: "run:cancel",
      summary: "Stop a bulk operation: runs that it has not reached stay as they are",
      tag: TAG,
      params: idParamsSchema,
      answers: {
        202: { description: "Stopped: the operation.", schema: bulkOperationSchema },
        ...UNKNOWN,
        409: { description: "It has ended." },
      },
      locate: async ({ params }) => await bulk.get(params.id),
      async handler({ params, actor, origin }) {
        return {
          status: 202,
          headers: { Location: `${PATH}/${params.id}` },
          body: await bulk.cancel(params.id, actor, origin),
        };
      },
    }),
  ];
}

function readRoutes(bulk: BulkOperations): RouteDefinition[] {
  return [
    defineRoute({
      method: "get",
      path: PATH,
      permission: "run:read",
      summary: "List bulk operations, newest first",
      tag: TAG,
      query: bulkOperationListQuerySchema,
      answers: { 200: { description: "One page.", schema: bulkOperationPageSchema } },
      handler: async ({ query }) => ({ status: 200, body: await bulk.list(query) }),
    }),
    defineRoute({
      method: "get",
      path: `${PATH}/:id`,
      permission: "run:read",
      summary: "A bulk operation and how far it is",
      tag: TAG,
      params: idParamsSchema,
      answers: { 200: { description: "The operation.", schema: bulkOperationSchema }, ...UNKNOWN },
      handler: async ({ params }) => ({ status: 200, body: await bulk.get(params.id) }),
    }),
  ];
}
