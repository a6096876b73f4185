import { z } from "zod";
import { instantSchema, pageOf, pageQuerySchema } from "./common.js";

const APP_STATUSES = ["starting", "running", "stopped", "failed"] as const;

/** An app that a step has started. */
export const appSchema = z
  .object({
    id: z.string(),
    name: z.string().meta({ description: "The component's name." }),
    url: z.string().meta({ description: "Where a browser opens it, on the console's origin." }),
    mode: z.enum(["server", "browser"]),
    status: z.enum(APP_STATUSES),
    reason: z.string().nullable().meta({ description: "Why it has stopped or failed." }),
    runId: z.string(),
    stepId: z.string(),
    itemIndex: z.int().nullable(),
    mcpVersionId: z.string(),
    workerId: z.string(),
    waitForSubmit: z.boolean().meta({ description: "Whether its step waits for what the app sends back." }),
    submittedAt: instantSchema.nullable(),
    restarts: z.int().meta({ description: "How often it was started again after a crash." }),
    idleTimeoutSeconds: z.int(),
    lastUsedAt: instantSchema,
    lastSeenAt: instantSchema.meta({ description: "When its worker last reported it." }),
    createdAt: instantSchema,
    stoppedAt: instantSchema.nullable(),
  })
  .meta({ id: "App" });
export type App = z.infer<typeof appSchema>;

/** One app, with the last lines that it has said. */
export const appDetailSchema = appSchema
  .extend({ logTail: z.array(z.string()).meta({ description: "The last lines of its output." }) })
  .meta({ id: "AppDetail" });
export type AppDetail = z.infer<typeof appDetailSchema>;

/** One page of apps. */
export const appPageSchema = pageOf(appSchema);

/** Filters of the list. */
export const appListQuerySchema = z.strictObject({
  ...pageQuerySchema.shape,
  status: z.enum(APP_STATUSES).optional(),
  runId: z.string().max(100).optional().meta({ description: "Apps of this run alone." }),
});
export type AppListQuery = z.infer<typeof appListQuerySchema>;
