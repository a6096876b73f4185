import { z } from "zod";
import { parsePointer } from "../../core/json-pointer.js";
import type { JsonValue } from "../../core/json.js";
import { RUN_STATUSES } from "../../core/statuses.js";
import { instantSchema, pageOf, pageQuerySchema, revisionSchema } from "./common.js";
import { outputArtifactSchema, runErrorSchema } from "./runs.js";

/** How a delivery is answered: at once, or when the run has ended. */
export const WEBHOOK_MODES = ["accepted", "wait"] as const;
export type WebhookMode = (typeof WEBHOOK_MODES)[number];

/** What became of a delivery. */
export const DELIVERY_OUTCOMES = ["accepted", "repeated", "filtered", "refused"] as const;
export type DeliveryOutcome = (typeof DELIVERY_OUTCOMES)[number];

/** Headers that prove who sends: neither filter nor mapping sees them, so that they end up in no run. */
export const HIDDEN_HEADERS: ReadonlySet<string> = new Set([
  "authorization",
  "proxy-authorization",
  "cookie",
  "x-headrace-signature",
]);

const MOST_INPUTS = 100;

const expressionSchema = z
  .string()
  .min(1)
  .max(10_000)
  .meta({ description: "JSONata over `{ body, headers, query }`; header names are in lower case." });

const pointerSchema = z
  .string()
  .max(1000)
  .refine((value) => parsePointer(value) !== undefined, 'must be a JSON Pointer: "" or /name/0/…');

const headerNameSchema = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/, "must be the name of a header")
  .toLowerCase()
  .refine((name) => !HIDDEN_HEADERS.has(name), "is a header that no mapping may read");

const anyJsonSchema = z.unknown().refine((value) => value !== undefined, {
  error: "is required",
  abort: true,
}) as unknown as z.ZodType<JsonValue>;

/** Where one input of the run comes from: exactly one of the five kinds. What is not there is left out. */
export const deliveryMappingSchema = z.union(
  [
    z.strictObject({ body: pointerSchema }),
    z.strictObject({ header: headerNameSchema }),
    z.strictObject({ query: z.string().min(1).max(200) }),
    z.strictObject({ value: anyJsonSchema }),
    z.strictObject({ expression: expressionSchema }),
  ],
  { error: "must be one of { body }, { header }, { query }, { value }, { expression }" },
);
export type DeliveryMapping = z.infer<typeof deliveryMappingSchema>;

const fields = {
  name: z
    .string()
    .trim()
    .min(1)
    .max(100)
    .regex(/^\P{C}*$/u, "must be text without control characters"),
  workflow: z.string().min(1).max(200).meta({ description: "Name or id of a workflow." }),
  version: z
    .int()
    .min(1)
    .max(2_147_483_647)
    .nullish()
    .meta({ description: "Default: the published version." }),
  enabled: z.boolean().meta({ description: "While false, `POST /hooks/{token}` answers 404." }),
  secret: z
    .string()
    .min(1)
    .max(512)
    .nullish()
    .meta({ description: "Write-only. With it, deliveries must be signed; null: they need not be." }),
  generateSecret: z
    .boolean()
    .optional()
    .meta({ description: "Makes a secret, which the answer shows for the only time." }),
  filter: expressionSchema.nullish().meta({ description: "JSONata; where it is false no run is started." }),
  input: z
    .record(z.string().min(1).max(200), deliveryMappingSchema)
    .refine((input) => Object.keys(input).length <= MOST_INPUTS, `may have ${MOST_INPUTS} inputs at most`)
    .nullish()
    .meta({ description: "Without it the body is the run's input." }),
  mode: z.enum(WEBHOOK_MODES).meta({ description: "Answer at once, or when the run has ended." }),
  waitSeconds: z.int().min(1).max(60).meta({ description: "Longest wait in mode `wait`." }),
};

const hasOneSecret = (body: { secret?: string | null | undefined; generateSecret?: boolean | undefined }) =>
  body.generateSecret !== true || body.secret === undefined || body.secret === null;
const oneSecret = { path: ["generateSecret"], error: "and secret exclude each other" };

/** Body of `POST /webhooks`. */
export const createWebhookSchema = z
  .strictObject({
    ...fields,
    enabled: fields.enabled.default(true),
    mode: fields.mode.default("accepted"),
    waitSeconds: fields.waitSeconds.default(30),
  })
  .refine(hasOneSecret, oneSecret)
  .meta({ id: "CreateWebhook" });
export type CreateWebhook = z.infer<typeof createWebhookSchema>;

/** Query of `GET /webhooks`. */
export const listWebhooksSchema = z.strictObject({
  ...pageQuerySchema.shape,
  workflow: z.string().min(1).max(200).optional().meta({ description: "Name or id of a workflow." }),
});
export type ListWebhooks = z.infer<typeof listWebhooksSchema>;

/** Body of `PATCH /webhooks/{id}`; null takes a field back to its default. */
export const updateWebhookSchema = z
  .strictObject({
    ...fields,
    name: fields.name.optional(),
    workflow: fields.workflow.optional(),
    enabled: fields.enabled.optional(),
    mode: fields.mode.optional(),
    waitSeconds: fields.waitSeconds.optional(),
  })
  .refine(hasOneSecret, oneSecret);
export type UpdateWebhook = z.infer<typeof updateWebhookSchema>;

/** A webhook, as the API shows it: never its token or its secret. */
export const webhookSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    workflow: z.string().nullable().meta({ description: "The workflow's name; null once it was deleted." }),
    workflowId: z.string().nullable(),
    version: z.int().nullable().meta({ description: "Null: the published version." }),
    enabled: z.boolean(),
    hasSecret: z.boolean().meta({ description: "Whether deliveries must be signed." }),
    filter: z.string().nullable(),
    input: z.record(z.string(), deliveryMappingSchema).nullable(),
    mode: z.enum(WEBHOOK_MODES),
    waitSeconds: z.int(),
    revision: revisionSchema,
    createdBy: z.string().nullable(),
    createdAt: instantSchema,
    updatedAt: instantSchema,
  })
  .meta({ id: "Webhook" });
export type Webhook = z.infer<typeof webhookSchema>;

/** Answer of `PATCH /webhooks/{id}`. */
export const changedWebhookSchema = webhookSchema
  .extend({
    secret: z.string().optional().meta({ description: "The generated secret, shown this once." }),
  })
  .meta({ id: "ChangedWebhook" });
export type ChangedWebhook = z.infer<typeof changedWebhookSchema>;

/** Answer of `POST /webhooks` and `POST /webhooks/{id}/rotate`: with the token, for the only time. */
export const openedWebhookSchema = changedWebhookSchema
  .extend({
    token: z.string(),
    url: z.string().meta({ description: "Path to send deliveries to.", example: "/hooks/hrw_…" }),
  })
  .meta({ id: "OpenedWebhook" });
export type OpenedWebhook = z.infer<typeof openedWebhookSchema>;

/** Answer of `GET /webhooks`. */
export const webhookPageSchema = pageOf(webhookSchema);

/** One entry of a webhook's log. */
export const webhookDeliverySchema = z
  .object({
    id: z.string(),
    at: instantSchema,
    outcome: z.enum(DELIVERY_OUTCOMES),
    status: z
      .int()
      .meta({ description: "HTTP status; 202 for every accepted delivery, also in mode `wait`." }),
    runId: z.string().nullable(),
    reason: z.string().nullable().meta({ description: "Why it was refused." }),
  })
  .meta({ id: "WebhookDelivery" });
export type WebhookDelivery = z.infer<typeof webhookDeliverySchema>;

/** Answer of `GET /webhooks/{id}/deliveries`. */
export const webhookDeliveryPageSchema = pageOf(webhookDeliverySchema);

/** `/hooks/{token}` */
export const hookParamsSchema = z.strictObject({ token: z.string() });

/** Query of `POST /hooks/{token}`: whatever the sender likes. */
export const hookQuerySchema = z.record(z.string(), z.union([z.string(), z.array(z.string())]));
export type HookQuery = z.infer<typeof hookQuerySchema>;

/** Answer of `POST /hooks/{token}` with a run. */
export const hookRunSchema = z
  .object({
    accepted: z.literal(true),
    runId: z.string(),
    status: z.enum(RUN_STATUSES).optional().meta({ description: "In mode `wait`." }),
    output: z.unknown().optional().meta({ description: "In mode `wait`, once the run has ended." }),
    outputArtifact: outputArtifactSchema.optional(),
    error: runErrorSchema.nullable().optional(),
  })
  .meta({ id: "HookRun" });
export type HookRun = z.infer<typeof hookRunSchema>;

/** Answer of `POST /hooks/{token}` to what the filter left out. */
export const hookFilteredSchema = z
  .object({ accepted: z.literal(false), reason: z.literal("filtered") })
  .meta({ id: "HookFiltered" });
