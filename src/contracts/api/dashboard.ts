import { z } from "zod";
import { givenInstantSchema, instantSchema } from "./common.js";

/** Counts of one queue; `delayed` waits for its time. */
export const queueCountsSchema = z
  .object({ name: z.string(), waiting: z.int(), active: z.int(), delayed: z.int(), failed: z.int() })
  .meta({ id: "QueueCounts" });

/** Answer of `GET /dashboard/summary`. Counts of runs stop at 100,000; what is told is at most two seconds old. */
export const dashboardSummarySchema = z
  .object({
    runs: z.object({
      active: z.int().meta({ description: "Runs that are running." }),
      queued: z.int(),
      waiting: z.int(),
      succeeded24h: z.int().meta({ description: "Of the runs created in the last 24 hours." }),
      failed24h: z.int(),
      successRate24h: z.number().nullable().meta({ description: "0 to 1; null when none has ended." }),
    }),
    mcpDefinitions: z.int(),
    workflowDefinitions: z.int(),
    schedules: z.int(),
    workers: z.int().meta({ description: "Worker processes that live." }),
    queues: z
      .array(queueCountsSchema)
      .nullable()
      .meta({ description: "Null when the queue is out of reach." }),
  })
  .meta({ id: "DashboardSummary" });
export type DashboardSummary = z.infer<typeof dashboardSummarySchema>;

/** What a time series can show. */
export const SERIES_METRICS = ["runs", "failures", "durationP95", "queueDepth"] as const;
export type SeriesMetric = (typeof SERIES_METRICS)[number];

/** Query of `GET /dashboard/timeseries`; 24 hours up to now in an hour's steps unless it says otherwise. */
export const timeseriesQuerySchema = z.strictObject({
  metric: z.enum(SERIES_METRICS),
  from: givenInstantSchema.optional(),
  to: givenInstantSchema.optional(),
  bucket: z
    .string()
    .regex(/^[1-9][0-9]{0,4}[smhd]$/, "must be a number with s, m, h or d: 5m")
    .optional()
    .meta({ example: "1h" }),
});
export type TimeseriesQuery = z.infer<typeof timeseriesQuerySchema>;

/** Answer of `GET /dashboard/timeseries`. */
export const timeseriesSchema = z
  .object({
    metric: z.enum(SERIES_METRICS),
    from: instantSchema,
    to: instantSchema,
    bucketSeconds: z.int(),
    points: z.array(z.object({ at: instantSchema, value: z.number().nullable() })),
  })
  .meta({ id: "Timeseries" });
export type Timeseries = z.infer<typeof timeseriesSchema>;

/** How a component does. */
export const componentHealthSchema = z
  .object({
    name: z.string(),
    status: z.enum(["ok", "degraded", "down", "unused"]),
    detail: z.string().optional(),
    latencyMs: z.number().optional(),
  })
  .meta({ id: "ComponentHealth" });
export type ComponentHealth = z.infer<typeof componentHealthSchema>;

/** Answer of `GET /dashboard/system-health`. */
export const systemHealthSchema = z
  .object({
    status: z.enum(["ok", "degraded", "down"]).meta({ description: "That of the worst component." }),
    components: z.array(componentHealthSchema),
    sandbox: z.object({
      level: z
        .string()
        .nullable()
        .meta({ description: "The weakest of the live workers; null without any." }),
      reasons: z.array(z.string()),
    }),
    workers: z.array(
      z.object({
        id: z.string(),
        hostname: z.string(),
        pid: z.int(),
        groups: z.array(z.string()),
        concurrency: z.int(),
        running: z.int(),
        sandboxLevel: z.string(),
        version: z.string(),
        startedAt: instantSchema,
        lastSeenAt: instantSchema,
      }),
    ),
  })
  .meta({ id: "SystemHealth" });
export type SystemHealth = z.infer<typeof systemHealthSchema>;

/** Query of `GET /dashboard/activity`. */
export const activityQuerySchema = z.strictObject({
  limit: z
    .string()
    .regex(/^(?:[1-9][0-9]?|100)$/, "must be a whole number from 1 to 100")
    .transform(Number)
    .default(20),
});

/** Something that happened lately. */
export const activitySchema = z
  .object({
    kind: z.enum(["action", "run"]),
    at: instantSchema,
    actor: z.string(),
    action: z.string().meta({ description: "`noun.verb`; of a run `run.<status>`." }),
    entityType: z.string().nullable(),
    entityId: z.string().nullable(),
    label: z.string().nullable().meta({ description: "The workflow's name, for a run." }),
  })
  .meta({ id: "Activity" });
export type Activity = z.infer<typeof activitySchema>;

/** Answer of `GET /dashboard/activity`: newest first. */
export const activityListSchema = z.object({ items: z.array(activitySchema) });
