import { z } from "zod";
import { idSchema, instantSchema, pageOf, pageQuerySchema } from "./common.js";
import { runListQuerySchema } from "./runs.js";

/** What can be done to many runs at once. */
export const BULK_ACTIONS = ["cancel", "rerun", "replay"] as const;
export type BulkAction = (typeof BULK_ACTIONS)[number];

/** Every status of a bulk operation. The last three are terminal. */
export const BULK_STATUSES = ["queued", "running", "succeeded", "failed", "canceled"] as const;

/** Most runs of one operation. */
export const MOST_BULK_RUNS = 10_000;

const { status, workflow, trigger, label, createdAfter, createdBefore, q } = runListQuerySchema.shape;

/** Which runs are meant: the conditions of `GET /workflow-runs`, all of which must hold, and ids. */
export const bulkFilterSchema = z
  .strictObject({
    status,
    workflow,
    trigger,
    label: label.unwrap().optional().meta({ description: "`name:value`, or several that must all match." }),
    createdAfter,
    createdBefore,
    q,
    ids: z.array(idSchema).min(1).max(MOST_BULK_RUNS).optional(),
  })
  .refine(
    (filter) => Object.values(filter).some((condition) => condition !== undefined),
    "must name at least one condition",
  );
export type BulkFilter = z.infer<typeof bulkFilterSchema>;

/** Body of `POST /workflow-runs/bulk`. */
export const createBulkOperationSchema = z
  .strictObject({
    action: z.enum(BULK_ACTIONS).meta({
      description:
        "`cancel` takes runs that go on, `rerun` and `replay` runs that have ended; among `ids`, others are skipped.",
    }),
    filter: bulkFilterSchema,
    from: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .meta({ description: "For `rerun`: `failed` (default), `start`, or the id of a step." }),
    ratePerSecond: z.int().min(1).max(200).default(20),
    limit: z
      .int()
      .min(1)
      .max(MOST_BULK_RUNS)
      .default(MOST_BULK_RUNS)
      .meta({ description: "Most runs, the newest first." }),
  })
  .refine((body) => body.from === undefined || body.action === "rerun", {
    path: ["from"],
    message: "is for rerun",
  })
  .meta({ id: "CreateBulkOperation" });
export type CreateBulkOperation = z.infer<typeof createBulkOperationSchema>;

/** One action on many runs, and how far it is. */
export const bulkOperationSchema = z
  .object({
    id: z.string(),
    action: z.enum(BULK_ACTIONS),
    status: z
      .enum(BULK_STATUSES)
      .meta({ description: "`failed`: every run was tried, and at least one of them failed." }),
    filter: z.unknown(),
    from: z.string().optional(),
    ratePerSecond: z.int(),
    total: z.int(),
    done: z.int(),
    succeeded: z.int(),
    failed: z.int(),
    skipped: z
      .int()
      .meta({ description: "Runs that the action does not fit: ended, still going on, or gone." }),
    errors: z
      .array(z.object({ runId: z.string(), message: z.string() }))
      .meta({ description: "The first 20 failures." }),
    createdBy: z.object({ id: z.string().nullable(), name: z.string() }),
    createdAt: instantSchema,
    startedAt: instantSchema.nullable(),
    finishedAt: instantSchema.nullable(),
  })
  .meta({ id: "BulkOperation" });
export type BulkOperation = z.infer<typeof bulkOperationSchema>;

/** Query of `GET /workflow-runs/bulk`. */
export const bulkOperationListQuerySchema = z.strictObject({ ...pageQuerySchema.shape });

/** Answer of `GET /workflow-runs/bulk`. */
export const bulkOperationPageSchema = pageOf(bulkOperationSchema);
