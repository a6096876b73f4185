import { z } from "zod";
import { workflowDefinitionDocumentSchema } from "../workflow-definition.js";
import { idSchema } from "./common.js";

const MAX_PROMPT_CHARACTERS = 8_000;
const MAX_CONTEXT_CHARACTERS = 64 * 1024;

const useModelField = z
  .boolean()
  .default(true)
  .meta({ description: "False: analysis alone, whatever model is configured." });
const jsonValue = z.json();
const promptField = z.string().trim().min(1, "must not be empty").max(MAX_PROMPT_CHARACTERS);
/** Which types there are is the registry's to say. */
const mcpTypeField = z.string().min(1).max(63);

/** Body of `POST /copilot/workflow-optimization`. */
export const optimizeWorkflowSchema = z
  .strictObject({
    workflow: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .meta({ description: "Id or name: its latest version, its runs, its schedules." }),
    definition: workflowDefinitionDocumentSchema.optional().meta({
      description:
        "A definition that need not be stored. With `workflow` too: a draft of it, judged by that workflow's runs.",
    }),
    useModel: useModelField,
  })
  .superRefine(({ workflow, definition }, context) => {
    if (workflow !== undefined || definition !== undefined) return;
    context.addIssue({ code: "custom", path: ["workflow"], message: "or definition must be given" });
  })
  .meta({ id: "CopilotOptimizeWorkflow" });
export type OptimizeWorkflow = z.infer<typeof optimizeWorkflowSchema>;

/** Body of `POST /copilot/component-config`. */
export const adviseConfigSchema = z
  .strictObject({ mcpType: mcpTypeField, config: z.record(z.string(), jsonValue), useModel: useModelField })
  .meta({ id: "CopilotComponentConfig" });
export type AdviseConfig = z.infer<typeof adviseConfigSchema>;

/** Body of `POST /copilot/schema-repair`. */
export const repairSchemaSchema = z
  .strictObject({
    schema: jsonValue.meta({ description: "A JSON Schema, or what was meant to be one." }),
    sample: jsonValue.optional().meta({ description: "A value that the schema should accept." }),
    error: z.string().max(MAX_CONTEXT_CHARACTERS).optional(),
    useModel: useModelField,
  })
  .meta({ id: "CopilotSchemaRepair" });
export type RepairSchema = z.infer<typeof repairSchemaSchema>;

/** Body of `POST /copilot/code-snippet`. */
export const writeSnippetSchema = z
  .strictObject({
    mcpType: mcpTypeField,
    prompt: promptField,
    context: jsonValue.optional().meta({ description: "Anything that helps: code, schemas, an error." }),
    useModel: useModelField,
  })
  .meta({ id: "CopilotCodeSnippet" });
export type WriteSnippet = z.infer<typeof writeSnippetSchema>;

/** Body of `POST /copilot/diagnose`. */
export const diagnoseRunSchema = z
  .strictObject({ runId: z.string().min(1).max(200), useModel: useModelField })
  .meta({ id: "CopilotDiagnose" });
export type DiagnoseRun = z.infer<typeof diagnoseRunSchema>;

/** Body of `POST /copilot/generate-workflow`. */
export const generateWorkflowSchema = z
  .strictObject({ prompt: promptField, useModel: useModelField })
  .meta({ id: "CopilotGenerateWorkflow" });
export type GenerateWorkflow = z.infer<typeof generateWorkflowSchema>;

const patchOperationSchema = z
  .object({
    op: z.enum(["add", "remove", "replace", "move", "copy", "test"]),
    path: z.string().meta({ description: "JSON Pointer into the target." }),
    from: z.string().optional(),
    value: z.unknown().optional(),
  })
  .meta({ id: "JsonPatchOperation" });
export type PatchOperation = z.infer<typeof patchOperationSchema>;

/** What a suggestion's patch changes: it was applied there, and the whole found valid, before it was offered. */
export const patchTargetSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("definition"),
    workflow: z
      .string()
      .nullable()
      .meta({ description: "Name of the workflow; null: the one in the request." }),
    version: z.int().nullable(),
  }),
  z.object({
    kind: z.literal("config"),
    mcp: z.string().nullable().meta({ description: "`NAME@VERSION`; null: the one in the request." }),
    mcpVersionId: idSchema.nullable(),
  }),
  z.object({ kind: z.literal("schema") }),
]);
export type PatchTarget = z.infer<typeof patchTargetSchema>;

const evidenceSchema = z.object({
  runIds: z.array(z.string()).optional().meta({ description: "Newest first, at most 10." }),
  stepId: z.string().optional(),
  runs: z.int().optional().meta({ description: "Runs that were looked at." }),
  counts: z.record(z.string(), z.number()).optional(),
  durationMs: z.object({ p50: z.number(), p95: z.number(), max: z.number() }).partial().optional(),
  bytes: z.object({ p50: z.number(), p95: z.number(), max: z.number() }).partial().optional(),
  errorCodes: z.record(z.string(), z.int()).optional(),
  quotes: z
    .array(z.string())
    .optional()
    .meta({ description: "From logs, errors or the definition; secrets masked." }),
});
export type Evidence = z.infer<typeof evidenceSchema>;

const estimateSchema = z.object({
  basis: z.enum(["simulated", "replayed"]).meta({
    description:
      "`simulated`: worked out from recorded durations; `replayed`: tried on recorded inputs, without executing a step.",
  }),
  metric: z.string(),
  before: z.number(),
  after: z.number(),
  runs: z.int().meta({ description: "Runs that it rests on." }),
  note: z.string(),
});
export type Estimate = z.infer<typeof estimateSchema>;

/** One suggestion. It changes nothing by itself. */
export const suggestionSchema = z
  .object({
    kind: z
      .string()
      .meta({ description: "What was found, `missing-retry` for one; `model` for a model's own idea." }),
    title: z.string(),
    detail: z.string(),
    severity: z.enum(["info", "warning", "error"]),
    source: z.enum(["analysis", "model"]),
    target: patchTargetSchema.optional().meta({ description: "What `patch` changes." }),
    patch: z
      .array(patchOperationSchema)
      .optional()
      .meta({ description: "JSON Patch (RFC 6902), checked to give something valid." }),
    code: z.string().optional(),
    definition: workflowDefinitionDocumentSchema
      .optional()
      .meta({ description: "A whole workflow, checked." }),
    config: z
      .record(z.string(), z.unknown())
      .optional()
      .meta({ description: "A component's whole configuration, checked." }),
    call: z
      .object({ method: z.string(), path: z.string(), body: z.unknown() })
      .optional()
      .meta({ description: "The API call that would do it, where no patch does." }),
    requiresReview: z
      .boolean()
      .meta({ description: "It reaches further than what it changes did: see `reviewReasons`." }),
    reviewReasons: z.array(z.string()),
    evidence: evidenceSchema.optional(),
    estimate: estimateSchema.optional(),
  })
  .meta({ id: "CopilotSuggestion" });
export type Suggestion = z.infer<typeof suggestionSchema>;

/** What became of asking a model. */
export const modelOutcomeSchema = z.object({
  state: z
    .enum(["used", "off", "not_configured", "over_budget", "failed"])
    .meta({ description: "`off`: the request said so. Analysis answers in every state." }),
  detail: z.string(),
  dropped: z.int().meta({ description: "Suggestions of the model that were not valid, and are not shown." }),
});
export type ModelOutcome = z.infer<typeof modelOutcomeSchema>;

/** Tokens and money. */
export const copilotUsageSchema = z.object({ inputTokens: z.int(), outputTokens: z.int(), cost: z.number() });
export type CopilotUsage = z.infer<typeof copilotUsageSchema>;

/** Answer of every call of the copilot. */
export const copilotAnswerSchema = z
  .object({
    suggestions: z.array(suggestionSchema),
    summary: z.string().optional().meta({ description: "A model's words on the whole." }),
    model: z.string().optional(),
    provider: z.string().optional(),
    usage: copilotUsageSchema.optional(),
    modelOutcome: modelOutcomeSchema,
  })
  .meta({ id: "CopilotAnswer" });
export type CopilotAnswer = z.infer<typeof copilotAnswerSchema>;

/** A frame of a streamed answer (`Accept: text/event-stream`). */
export type CopilotEvent =
  | { readonly type: "suggestion"; readonly data: Suggestion }
  /** A piece of `summary`: prose alone. */
  | { readonly type: "token"; readonly data: { readonly text: string } }
  /** What came of `token` so far is void: the model is asked again. */
  | { readonly type: "restart"; readonly data: Record<string, never> }
  | { readonly type: "usage"; readonly data: CopilotUsage }
  | {
      readonly type: "end";
      readonly data: Omit<CopilotAnswer, "suggestions"> & { readonly suggestions: number };
    }
  | { readonly type: "error"; readonly data: { readonly status: number; readonly detail: string } };
