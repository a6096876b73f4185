import { z } from "zod";
import { findCronFault } from "../../core/due-times.js";
import { isUuid } from "../../core/ids.js";
import { isJsonObject, type JsonValue } from "../../core/json.js";
import { isTimeZone } from "../../core/wall-clock.js";
import { givenInstantSchema, instantSchema, pageOf, pageQuerySchema, revisionSchema } from "./common.js";

/** What becomes of a due time while an earlier run of the schedule has not ended. */
export const OVERLAPS = ["allow", "skip", "queue"] as const;
export type Overlap = (typeof OVERLAPS)[number];

/** What becomes of due times that nobody was there to fire. */
export const CATCH_UPS = ["none", "latest", "all"] as const;
export type CatchUp = (typeof CATCH_UPS)[number];

/** Most runs that one catch-up or one backfill starts. */
export const MOST_FIRINGS = 1000;

const cronSchema = z
  .string()
  .trim()
  .superRefine((text, context) => {
    const fault = findCronFault(text);
    if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
  })
  .meta({
    description:
      "5 fields, or 6 with seconds first. Where the clock is put forward, what falls into the skipped hour is due so much later; where it is put back, what falls into the repeated hour is due once, the first time. Expressions for every hour (`*`) follow the clock.",
    example: "30 2 * * mon-fri",
  });

const fields = {
  name: z
    .string()
    .trim()
    .min(1)
    .max(100)
    .regex(/^\P{C}*$/u, "must be text without control characters")
    .refine((name) => !isUuid(name), "must not look like an id"),
  workflow: z.string().min(1).max(200).meta({ description: "Name or id of a workflow." }),
  cron: cronSchema.nullish(),
  everySeconds: z
    .int()
    .min(1)
    .max(31_536_000)
    .nullish()
    .meta({ description: "Instead of `cron`: due at whole steps from when this was set." }),
  timezone: z
    .string()
    .refine(isTimeZone, "must be the name of a time zone, as Europe/Berlin")
    .meta({ description: "IANA time zone that `cron` is read in.", example: "Europe/Berlin" }),
  input: (z.unknown() as unknown as z.ZodType<JsonValue>).meta({
    description: "Input of the runs; any JSON.",
  }),
  enabled: z.boolean(),
  overlap: z.enum(OVERLAPS).meta({
    description:
      "While an earlier run of the schedule has not ended: `allow` starts another, `skip` skips the due time, `queue` starts it once the earlier run has ended (one waits, further ones are skipped).",
  }),
  catchUp: z.enum(CATCH_UPS).meta({
    description: `Once a due time could not be fired for more than 30 s, all that are past by then are missed: \`none\` skips them, \`latest\` fires the newest one, \`all\` the newest ${MOST_FIRINGS}, in order.`,
  }),
};

const isGiven = (value: unknown) => value !== undefined && value !== null;
/** Judged whatever else is wrong with the object, so that all faults are named at once. */
const always = { when: ({ value }: { value: unknown }) => isJsonObject(value) };
const notBoth = { path: ["everySeconds"], error: "and cron exclude each other", ...always };
const notNeither = { path: ["cron"], error: "is required, or everySeconds", ...always };

/** Body of `POST /schedules`. */
export const createScheduleSchema = z
  .strictObject({
    ...fields,
    timezone: fields.timezone.default("UTC"),
    input: fields.input.default({}),
    enabled: fields.enabled.default(true),
    overlap: fields.overlap.default("allow"),
    catchUp: fields.catchUp.default("none"),
  })
  .refine((body) => !(isGiven(body.cron) && isGiven(body.everySeconds)), notBoth)
  .refine((body) => isGiven(body.cron) || isGiven(body.everySeconds), notNeither)
  .meta({ id: "CreateSchedule" });
export type CreateSchedule = z.infer<typeof createScheduleSchema>;

/** Body of `PATCH /schedules/{id}`; `cron` takes the place of `everySeconds`, and the other way round. */
export const updateScheduleSchema = z
  .strictObject({
    ...fields,
    name: fields.name.optional(),
    workflow: fields.workflow.optional(),
    timezone: fields.timezone.optional(),
    input: fields.input.optional(),
    enabled: fields.enabled.optional(),
    overlap: fields.overlap.optional(),
    catchUp: fields.catchUp.optional(),
  })
  .refine((body) => !(isGiven(body.cron) && isGiven(body.everySeconds)), notBoth)
  .refine((body) => !(body.cron === null && body.everySeconds === null), notNeither)
  .meta({ id: "UpdateSchedule" });
export type UpdateSchedule = z.infer<typeof updateScheduleSchema>;

/** Body of `POST /schedules/{id}/backfill`. */
export const backfillSchema = z
  .strictObject({
    from: givenInstantSchema.meta({ description: "The first due time that counts." }),
    to: givenInstantSchema.meta({ description: "The last due time that counts; not in the future." }),
  })
  .refine(({ from, to }) => from <= to, { path: ["to"], error: "must not be before from" })
  .meta({ id: "Backfill" });
export type BackfillBody = z.infer<typeof backfillSchema>;

/** Query of `GET /schedules`. */
export const listSchedulesSchema = z.strictObject({
  ...pageQuerySchema.shape,
  workflow: z.string().min(1).max(200).optional().meta({ description: "Name or id of a workflow." }),
});
export type ListSchedules = z.infer<typeof listSchedulesSchema>;

/** A schedule, as lists show it. */
export const scheduleSummarySchema = z
  .object({
    id: z.string(),
    name: z.string(),
    workflow: z.string().nullable().meta({ description: "The workflow's name; null once it was deleted." }),
    workflowId: z.string().nullable(),
    cron: z.string().nullable(),
    everySeconds: z.int().nullable(),
    timezone: z.string(),
    input: z.unknown(),
    enabled: z.boolean(),
    overlap: fields.overlap,
    catchUp: fields.catchUp,
    nextRunAt: instantSchema.nullable().meta({ description: "Null while paused or without a workflow." }),
    waitingDueAt: instantSchema.nullable().meta({ description: "The due time that overlap `queue` holds." }),
    lastRunId: z.string().nullable(),
    lastRunAt: instantSchema.nullable().meta({ description: "When the last run was started." }),
    lastSkippedAt: instantSchema.nullable().meta({ description: "The last due time that was skipped." }),
    lastSkippedReason: z.string().nullable(),
    revision: revisionSchema,
    createdBy: z.string().nullable(),
    createdAt: instantSchema,
    updatedAt: instantSchema,
  })
  .meta({ id: "ScheduleSummary" });
export type ScheduleSummary = z.infer<typeof scheduleSummarySchema>;

/** A schedule with its next due times. */
export const scheduleSchema = scheduleSummarySchema
  .extend({ nextRuns: z.array(instantSchema).meta({ description: "The next five due times." }) })
  .meta({ id: "Schedule" });
export type Schedule = z.infer<typeof scheduleSchema>;

/** Answer of `GET /schedules`. */
export const schedulePageSchema = pageOf(scheduleSummarySchema);

/** Answer of `POST /schedules/{id}/backfill`. */
export const backfillAnswerSchema = z
  .object({
    count: z.int().meta({ description: "Runs that this call has started." }),
    alreadyRun: z
      .int()
      .meta({ description: "Due times of the span that had a run before: they get no other." }),
    runIds: z
      .array(z.string())
      .meta({ description: "The runs of the span, in the order of their due times." }),
  })
  .meta({ id: "BackfillAnswer" });
export type BackfillAnswer = z.infer<typeof backfillAnswerSchema>;
