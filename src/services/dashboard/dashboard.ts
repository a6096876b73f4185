import type {
  Activity,
  DashboardSummary,
  SystemHealth,
  Timeseries,
  TimeseriesQuery,
} from "../../contracts/api/dashboard.js";
import { readActivity } from "./activity.js";
import { createDashboardSummary, type SummaryDeps } from "./summary.js";
import { readSystemHealth, type SystemHealthDeps } from "./system-health.js";
import { readTimeseries } from "./timeseries.js";

/** What the console's first pages show. */
export interface Dashboard {
  summary(): Promise<DashboardSummary>;
  /** @throws AppError INVALID_FIELDS, NOT_READY */
  timeseries(query: TimeseriesQuery): Promise<Timeseries>;
  systemHealth(): Promise<SystemHealth>;
  /** Newest first. */
  activity(limit: number): Promise<Activity[]>;
}

/** Makes the dashboard over a database and the queues. */
export function createDashboard(deps: SummaryDeps & SystemHealthDeps): Dashboard {
  const { knex } = deps;
  return {
    summary: createDashboardSummary(deps),
    timeseries: async (query) => await readTimeseries(knex, query),
    systemHealth: async () => await readSystemHealth(deps),
    activity: async (limit) => await readActivity(knex, limit),
  };
}
