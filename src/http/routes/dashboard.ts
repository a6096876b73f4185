import {
  activityListSchema,
  activityQuerySchema,
  dashboardSummarySchema,
  systemHealthSchema,
  timeseriesQuerySchema,
  timeseriesSchema,
} from "../../contracts/api/dashboard.js";
import type { Dashboard } from "../../services/dashboard/dashboard.js";
import { defineRoute, type RouteDefinition } from "../route.js";

const COMMON = { method: "get", permission: "dashboard:read", tag: "Dashboard" } as const;
const BASE = "/api/v1/dashboard";

/** The console's figures. */
export function dashboardRoutes({ dashboard }: { readonly dashboard: Dashboard }): RouteDefinition[] {
  return [
    defineRoute({
      ...COMMON,
      path: `${BASE}/summary`,
      summary: "Runs, definitions, workers and queues in figures",
      answers: { 200: { description: "The figures.", schema: dashboardSummarySchema } },
      handler: async () => ({ status: 200, body: await dashboard.summary() }),
    }),
    defineRoute({
      ...COMMON,
      path: `${BASE}/timeseries`,
      summary: "One figure over time",
      query: timeseriesQuerySchema,
      answers: {
        200: { description: "The series.", schema: timeseriesSchema },
        422: { description: "No such metric, a span that is empty or too long, or too many points." },
        503: { description: "The series took too long to read." },
      },
      handler: async ({ query }) => ({ status: 200, body: await dashboard.timeseries(query) }),
    }),
    defineRoute({
      ...COMMON,
      path: `${BASE}/system-health`,
      summary: "How each part of the installation does",
      answers: { 200: { description: "The parts.", schema: systemHealthSchema } },
      handler: async () => ({ status: 200, body: await dashboard.systemHealth() }),
    }),
    defineRoute({
      ...COMMON,
      path: `${BASE}/activity`,
      summary: "Recent actions and runs, newest first",
      query: activityQuerySchema,
      answers: { 200: { description: "The newest.", schema: activityListSchema } },
      handler: async ({ query }) => ({ status: 200, body: { items: await dashboard.activity(query.limit) } }),
    }),
  ];
}
