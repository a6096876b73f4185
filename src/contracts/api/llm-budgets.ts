import { z } from "zod";
import { givenInstantSchema, instantSchema, pageOf, revisionSchema } from "./common.js";

/** Whose spending a budget sums: each run's, each workflow's, each provider's, or everybody's of one day. */
export const BUDGET_SCOPES = ["run", "workflow", "provider", "day"] as const;
export type BudgetScope = (typeof BUDGET_SCOPES)[number];

/** The span that it is summed over, by UTC. */
export const BUDGET_PERIODS = ["total", "month", "day"] as const;
export type BudgetPeriod = (typeof BUDGET_PERIODS)[number];

/** What happens to a step that would spend more. */
export const BUDGET_ACTIONS = ["stop", "approve"] as const;
export type BudgetAction = (typeof BUDGET_ACTIONS)[number];

const fields = {
  name: z
    .string()
    .trim()
    .min(1)
    .max(100)
    .regex(/^\P{C}*$/u, "must be text without control characters"),
  scope: z.enum(BUDGET_SCOPES),
  period: z.enum(BUDGET_PERIODS).meta({
    description: "Of scope `workflow` and `provider`, by UTC; a run is summed as a whole, a day as a day.",
  }),
  workflow: z
    .string()
    .min(1)
    .max(200)
    .nullish()
    .meta({ description: "Name or id; default: every workflow." }),
  provider: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}$/, "must be the name of a provider")
    .nullish()
    .meta({ description: "Counts calls to this provider alone; default: to all." }),
  maxCost: z
    .number()
    .min(0)
    .max(1_000_000_000)
    .nullish()
    .meta({ description: "In the currency of the prices." }),
  maxTokens: z.int().min(0).nullish().meta({ description: "Of input and output together." }),
  action: z.enum(BUDGET_ACTIONS).meta({
    description: "`stop` fails the step; `approve` lets it wait until a person approves or rejects it.",
  }),
  enabled: z.boolean(),
};

const hasLimit = (body: { maxCost?: number | null | undefined; maxTokens?: number | null | undefined }) =>
  body.maxCost != null || body.maxTokens != null;

/** Body of `POST /llm-budgets`. */
export const createLlmBudgetSchema = z
  .strictObject({
    ...fields,
    period: fields.period.default("month"),
    action: fields.action.default("stop"),
    enabled: fields.enabled.default(true),
  })
  .refine(hasLimit, { path: ["maxCost"], error: "or maxTokens is required" })
  .meta({ id: "CreateLlmBudget" });
export type CreateLlmBudget = z.infer<typeof createLlmBudgetSchema>;

/** Body of `PATCH /llm-budgets/{id}`: whose spending it sums stays as it is. */
export const updateLlmBudgetSchema = z.strictObject({
  name: fields.name.optional(),
  maxCost: fields.maxCost,
  maxTokens: fields.maxTokens,
  action: fields.action.optional(),
  enabled: fields.enabled.optional(),
});
export type UpdateLlmBudget = z.infer<typeof updateLlmBudgetSchema>;

/** A budget. */
export const llmBudgetSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    scope: z.enum(BUDGET_SCOPES),
    period: z.enum(BUDGET_PERIODS),
    workflowId: z.string().nullable(),
    provider: z.string().nullable(),
    maxCost: z.number().nullable(),
    maxTokens: z.int().nullable(),
    action: z.enum(BUDGET_ACTIONS),
    enabled: z.boolean(),
    revision: revisionSchema,
    createdBy: z.string().nullable(),
    createdAt: instantSchema,
    updatedAt: instantSchema,
  })
  .meta({ id: "LlmBudget" });
export type LlmBudget = z.infer<typeof llmBudgetSchema>;

/** Answer of `GET /llm-budgets`. */
export const llmBudgetPageSchema = pageOf(llmBudgetSchema);

/** What the summary of usage may be grouped by. */
export const USAGE_GROUPS = ["day", "provider", "model", "workflow", "run"] as const;
export type UsageGroup = (typeof USAGE_GROUPS)[number];

/** Query of `GET /llm-usage`: the last thirty days by default. */
export const llmUsageQuerySchema = z.strictObject({
  from: givenInstantSchema.optional().meta({ description: "Default: thirty days before `to`." }),
  to: givenInstantSchema.optional().meta({ description: "Exclusive; default: now." }),
  groupBy: z.enum(USAGE_GROUPS).default("day"),
});
export type LlmUsageQuery = z.infer<typeof llmUsageQuerySchema>;

/** What calls to language models took. */
export const llmUsageSchema = z
  .object({
    calls: z.int(),
    inputTokens: z.int(),
    outputTokens: z.int(),
    cost: z.number().meta({ description: "In the currency of the providers' prices." }),
  })
  .meta({ id: "LlmUsage" });
export type LlmUsage = z.infer<typeof llmUsageSchema>;

/** Answer of `GET /llm-usage`: the thousand groups that cost the most, days in order. */
export const llmUsageSummarySchema = z
  .object({
    from: instantSchema,
    to: instantSchema,
    groupBy: z.enum(USAGE_GROUPS),
    items: z.array(
      llmUsageSchema.extend({
        key: z.string().meta({ description: "The day, or the name; of runs the id." }),
      }),
    ),
    total: llmUsageSchema,
  })
  .meta({ id: "LlmUsageSummary" });
export type LlmUsageSummary = z.infer<typeof llmUsageSummarySchema>;
