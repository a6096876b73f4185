import { z } from "zod";
import {
  workerGroupListSchema,
  workerGroupNameSchema,
  workerGroupSchema,
} from "../../contracts/api/worker-groups.js";
import { notFound } from "../../errors/app-error.js";
import type { WorkerGroups } from "../../services/worker-groups/worker-groups.js";
import { defineRoute, type RouteDefinition } from "../route.js";

const COMMON = { method: "get", permission: "dashboard:read", tag: "Operations" } as const;
const PATH = "/api/v1/worker-groups";

/** `/api/v1/worker-groups`: what autoscalers and dashboards ask. */
export function workerGroupRoutes({ groups }: { readonly groups: WorkerGroups }): RouteDefinition[] {
  return [
    defineRoute({
      ...COMMON,
      path: PATH,
      summary: "What waits for each worker group, and the workers it has",
      answers: { 200: { description: "The groups, by name", schema: workerGroupListSchema } },
      handler: async () => ({ status: 200, body: { items: await groups.list() } }),
    }),
    defineRoute({
      ...COMMON,
      path: `${PATH}/:name`,
      summary: "One worker group; zeros for one that has neither work nor workers",
      params: z.strictObject({ name: z.string() }),
      answers: { 200: { description: "The group", schema: workerGroupSchema } },
      async handler({ params }) {
        const { success } = workerGroupNameSchema.safeParse(params.name);
        if (!success) throw notFound("Worker group");
        return { status: 200, body: await groups.get(params.name) };
      },
    }),
  ];
}
