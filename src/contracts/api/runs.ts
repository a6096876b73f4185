import { z } from "zod";
import type { JsonObject, JsonValue } from "../../core/json.js";
import { RUN_ERROR_CODES, RUN_STATUSES, RUN_TRIGGERS, STEP_STATUSES } from "../../core/statuses.js";
import { llmUsageSchema } from "./llm-budgets.js";
import { givenInstantSchema, idSchema, instantSchema, pageOf, pageQuerySchema } from "./common.js";

/** Any JSON. The body was parsed already; walking a large input once more would prove nothing. */
const anyJsonSchema = z.unknown().meta({ description: "Any JSON value." }) as unknown as z.ZodType<JsonValue>;

const LABEL_KEY = /^[A-Za-z0-9_.-]{1,63}$/;
const MOST_LABELS = 64;

/** `labels` of a run. */
export const labelsSchema = z
  .record(
    z.string().regex(LABEL_KEY, "a label's name must match ^[A-Za-z0-9_.-]{1,63}$"),
    z.string().max(255),
  )
  .refine((labels) => Object.keys(labels).length <= MOST_LABELS, `may have ${MOST_LABELS} labels at most`);

/** Body of `POST /workflow-runs`. */
export const startRunSchema = z
  .strictObject({
    workflow: z.string().min(1).max(200).meta({ description: "Name or id of a workflow." }),
    version: z
      .int()
      .min(1)
      .max(2_147_483_647)
      .optional()
      .meta({ description: "Default: the published version." }),
    input: anyJsonSchema.default({}),
    priority: z.int().min(-1000).max(1000).default(0).meta({ description: "Higher goes sooner." }),
    delaySeconds: z.number().min(0).max(31_536_000).default(0),
    labels: labelsSchema.default({}),
  })
  .meta({ id: "StartRun" });

/** Query of `POST /workflow-runs`. */
export const startRunQuerySchema = z.strictObject({
  wait: z
    .string()
    .regex(/^(?:[0-9]|[1-5][0-9]|60)$/, "must be a whole number of seconds from 0 to 60")
    .transform(Number)
    .default(0)
    .meta({
      description: "Answer when the run has ended, after so many seconds at the latest.",
      example: "30",
    }),
});

/** Body of `POST /mcp-versions/{versionId}/test`. */
export const testRunSchema = z.strictObject({
  inputs: z
    .record(z.string().min(1).max(200), z.unknown())
    .default({})
    .meta({ description: "Inputs of the component." }) as unknown as z.ZodType<JsonObject>,
});

/** `…/mcp-versions/{versionId}` */
export const versionIdParamsSchema = z.strictObject({ versionId: idSchema });

/** `name:value`; the value may hold more colons. */
const labelFilterSchema = z.string().regex(/^[A-Za-z0-9_.-]{1,63}:.{0,255}$/su, "must be name:value");

/** One label that a run must carry. */
export interface LabelFilter {
  readonly name: string;
  readonly value: string;
}

function toLabel(text: string): LabelFilter {
  const at = text.indexOf(":");
  return { name: text.slice(0, at), value: text.slice(at + 1) };
}

/** Query of `GET /workflow-runs`. */
export const runListQuerySchema = z.strictObject({
  ...pageQuerySchema.shape,
  status: z.enum(RUN_STATUSES).optional(),
  workflow: z.string().min(1).max(200).optional().meta({ description: "Name or id of a workflow." }),
  trigger: z.enum(RUN_TRIGGERS).optional(),
  label: z
    .union([labelFilterSchema, z.array(labelFilterSchema).max(MOST_LABELS)], "must be name:value")
    .transform((given) => (typeof given === "string" ? [given] : given).map(toLabel))
    .default([])
    .meta({ description: "`name:value`; may be given several times, all must match.", example: "env:prod" }),
  createdAfter: givenInstantSchema.optional().meta({ description: "Created later than this moment." }),
  createdBefore: givenInstantSchema.optional().meta({ description: "Created earlier than this moment." }),
  q: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .meta({
      description:
        "Words that begin words of the workflow's name, of labels or of the error's message, all of them; or the " +
        "beginning of a run's id, six characters or more; or, of the newest 10,000 runs, the last eight of its id.",
    }),
});

/** Query of `GET /workflow-runs/{id}/logs`. Oldest first, 200 lines a page unless `limit` says less. */
export const runLogsQuerySchema = z.strictObject({
  limit: pageQuerySchema.shape.limit.unwrap().default(200),
  cursor: pageQuerySchema.shape.cursor,
  stepId: z.string().min(1).max(200).optional(),
  attempt: z
    .string()
    .regex(/^[1-9][0-9]{0,8}$/, "must be a whole number from 1")
    .transform(Number)
    .optional(),
  stream: z.enum(["stdout", "stderr", "system"]).optional(),
});

/** `error` of runs, step runs and attempts. */
export const runErrorSchema = z
  .object({
    code: z.enum(RUN_ERROR_CODES),
    message: z.string(),
    stepId: z.string().optional(),
    attempt: z.int().optional(),
    details: z.unknown().optional(),
  })
  .meta({ id: "RunError" });

const countsShape = Object.fromEntries(STEP_STATUSES.map((status) => [status, z.int()])) as Record<
  (typeof STEP_STATUSES)[number],
  z.ZodInt
>;

/** How many steps of a run are in each status. */
export const stepCountsSchema = z.object({ total: z.int(), ...countsShape }).meta({ id: "StepCounts" });
export type StepCounts = z.infer<typeof stepCountsSchema>;

/** An output that is too large to be shown in place: `GET /artifacts/{id}` has it. */
export const outputArtifactSchema = z
  .object({ id: z.string(), sizeBytes: z.int() })
  .meta({ id: "OutputArtifact" });

/** One run in a list: without input and output, which may be large. */
export const runSummarySchema = z
  .object({
    id: z.string(),
    workflow: z.object({ id: z.string().nullable(), name: z.string(), version: z.int() }),
    status: z.enum(RUN_STATUSES),
    trigger: z.enum(RUN_TRIGGERS),
    error: runErrorSchema.nullable(),
    createdAt: instantSchema,
    startedAt: instantSchema.nullable(),
    finishedAt: instantSchema.nullable(),
    durationMs: z.int().nullable().meta({ description: "From start to end; null until the run has ended." }),
    stepCounts: stepCountsSchema,
    labels: z.record(z.string(), z.string()),
    priority: z.int(),
    createdBy: z.object({ id: z.string().nullable(), name: z.string() }),
    parentRunId: z.string().optional(),
    replayOf: z.string().optional(),
    isPinned: z.boolean().meta({ description: "Retention leaves it alone." }),
  })
  .meta({ id: "RunSummary" });
export type RunSummary = z.infer<typeof runSummarySchema>;

/** One run. */
export const runSchema = runSummarySchema
  .extend({
    input: z.unknown(),
    output: z
      .unknown()
      .meta({ description: "Null until the run has succeeded, and when `outputArtifact` is given." }),
    outputArtifact: outputArtifactSchema.optional(),
    usage: llmUsageSchema.optional().meta({ description: "What its calls to language models have taken." }),
  })
  .meta({ id: "Run" });
export type Run = z.infer<typeof runSchema>;

/** Every reason why a step is not running. */
export const WAITING_REASONS = [
  "dependency",
  "paused",
  "delay",
  "concurrency",
  "rate_limit",
  "retry",
  "throttle",
  "worker",
  "capacity",
  "queue",
  "run_concurrency",
  "wait",
  "approval",
  "budget",
  "submit",
] as const;

/** Why a step is not running. Beside `detail`, which is for people, each reason tells what it knows in members of its own. */
export const waitingForSchema = z
  .object({
    reason: z.enum(WAITING_REASONS).or(z.string()),
    detail: z.string(),
    since: instantSchema,
    until: instantSchema.optional().meta({
      description: "Of delay, rate_limit, retry, throttle, wait and approval: when it is over, or expires.",
    }),
    key: z.string().optional().meta({ description: "Of concurrency and rate_limit: the evaluated key." }),
    limit: z
      .int()
      .optional()
      .meta({ description: "Of concurrency, rate_limit, throttle and run_concurrency." }),
    seconds: z
      .number()
      .optional()
      .meta({ description: "Of rate_limit and throttle: the span of the limit." }),
    runIds: z
      .array(z.string())
      .optional()
      .meta({ description: "Of concurrency: ten runs that hold the key." }),
    steps: z
      .array(z.string())
      .optional()
      .meta({ description: "Of dependency: ids of steps that have not ended." }),
    workerGroup: z.string().optional().meta({ description: "Of worker, capacity and queue." }),
    items: z
      .object({ total: z.int(), queued: z.int(), ended: z.int() })
      .optional()
      .meta({ description: "Of run_concurrency: the items of the forEach." }),
    approvers: z
      .object({ roles: z.array(z.string()), users: z.array(z.string()), required: z.int() })
      .optional()
      .meta({
        description: "Of approval and budget: who may decide (nobody named: everyone), and how many have to.",
      }),
    approvals: z.int().optional().meta({ description: "Of approval: how many have approved so far." }),
    message: z.string().optional().meta({ description: "Of approval: what is asked." }),
    form: z.unknown().optional().meta({ description: "Of approval: JSON Schema of the values to be given." }),
  })
  .meta({ id: "WaitingFor" });
export type WaitingFor = z.infer<typeof waitingForSchema>;

/** A file that a step left. */
export const artifactRefSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    contentType: z.string(),
    sizeBytes: z.int(),
    sha256: z.string(),
  })
  .meta({ id: "Artifact" });

/** One try of a step. */
export const stepAttemptSchema = z
  .object({
    attempt: z.int(),
    status: z.enum(STEP_STATUSES),
    workerId: z.string().nullable(),
    queuedAt: instantSchema.nullable(),
    startedAt: instantSchema.nullable(),
    finishedAt: instantSchema.nullable(),
    durationMs: z.int().nullable(),
    error: runErrorSchema.nullable(),
  })
  .meta({ id: "StepAttempt" });

/** One step of a run, in its newest attempt, with all attempts that have begun or wait to. */
export const stepRunSchema = stepAttemptSchema
  .extend({
    id: z.string(),
    stepId: z.string(),
    itemIndex: z.int().optional(),
    waitingFor: z.array(waitingForSchema).optional(),
    workerGroup: z.string(),
    sandboxLevel: z.string().nullable(),
    inputs: z.unknown(),
    output: z.unknown(),
    outputArtifact: outputArtifactSchema.optional(),
    isOmitted: z
      .literal(true)
      .optional()
      .meta({ description: "Inputs and output are left out: those before it have filled the answer." }),
    cacheHit: z.boolean(),
    usage: llmUsageSchema
      .optional()
      .meta({ description: "What calls to language models have taken, in all attempts." }),
    artifacts: z.array(artifactRefSchema),
    attempts: z.array(stepAttemptSchema),
  })
  .meta({ id: "StepRun" });
export type StepRun = z.infer<typeof stepRunSchema>;

/** Query of `GET /workflow-runs/{id}/steps`: all steps at once, unless there are more than 10,000. */
export const stepListQuerySchema = z.strictObject({
  limit: z
    .string()
    .regex(/^(?:[1-9][0-9]{0,3}|10000)$/, "must be a whole number from 1 to 10000")
    .transform(Number)
    .default(10_000),
  cursor: pageQuerySchema.shape.cursor,
});

/** Answer of `GET /workflow-runs/{id}/steps`. */
export const stepRunPageSchema = pageOf(stepRunSchema);
/** Answer of `GET /workflow-runs`. */
export const runPageSchema = pageOf(runSummarySchema);

/** One line of a step's log. */
export const runLogLineSchema = z
  .object({
    seq: z
      .int()
      .meta({ description: "Number of the event that carried the line; lines of one event share it." }),
    at: instantSchema,
    stepId: z.string(),
    itemIndex: z.int().optional(),
    attempt: z.int(),
    stream: z.enum(["stdout", "stderr", "system"]),
    message: z.string(),
  })
  .meta({ id: "RunLogLine" });
export type RunLogLine = z.infer<typeof runLogLineSchema>;

/** Answer of `GET /workflow-runs/{id}/logs`. */
export const runLogPageSchema = pageOf(runLogLineSchema);

/** Answer of `GET /workflow-runs/{id}/graph`. */
export const runGraphSchema = z
  .object({
    nodes: z.array(
      z.object({
        id: z.string(),
        type: z.string(),
        data: z
          .object({
            label: z.string(),
            uses: z.string(),
            status: z.enum(STEP_STATUSES),
            attempt: z.int().nullable(),
            startedAt: instantSchema.nullable(),
            finishedAt: instantSchema.nullable(),
            durationMs: z.int().nullable(),
            error: runErrorSchema.nullable(),
          })
          .loose(),
      }),
    ),
    edges: z.array(z.object({ id: z.string(), source: z.string(), target: z.string() })),
  })
  .meta({ id: "RunGraph" });
export type RunGraph = z.infer<typeof runGraphSchema>;

/** Query of the event streams; judged by the handler, since the header wins over it. */
export const streamQuerySchema = z.strictObject({
  after: z
    .string()
    .optional()
    .meta({ description: "Id of the last event received; the header `Last-Event-ID` wins over it." }),
});
