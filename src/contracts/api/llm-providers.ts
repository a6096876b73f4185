import { z } from "zod";
import { instantSchema, pageOf, revisionSchema } from "./common.js";

const MOST_MODELS = 200;

const priceSchema = z.number().min(0).max(1_000_000);

/** A model and what a million of its tokens cost, in the currency that budgets are in. */
export const llmModelPriceSchema = z
  .strictObject({
    name: z.string().min(1).max(200),
    inputPricePerMillion: priceSchema.default(0),
    outputPricePerMillion: priceSchema.default(0),
  })
  .meta({ id: "LlmModelPrice" });
export type LlmModelPrice = z.infer<typeof llmModelPriceSchema>;

const headerNameSchema = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, "must be the name of a header");
const headerValueSchema = z
  .string()
  .max(8_192)
  .regex(/^[\t\x20-\x7e\x80-\xff]*$/, "must not contain control characters or anything beyond Latin-1");

const fields = {
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}$/, "must match ^[a-z][a-z0-9-]{0,62}$")
    .meta({ description: "What prompts name it by." }),
  baseUrl: z.string().min(1).max(2_000).meta({
    description: "Of any endpoint that speaks OpenAI's protocol.",
    example: "https://api.openai.com/v1",
  }),
  apiKey: headerValueSchema
    .min(1)
    .nullish()
    .meta({ description: "Write-only. Sent as `Authorization: Bearer …`; null or none: nothing is sent." }),
  headers: z
    .record(headerNameSchema, headerValueSchema)
    .refine((headers) => Object.keys(headers).length <= 20, "may have 20 headers at most")
    .optional()
    .meta({ description: "Write-only. Sent with every call." }),
  models: z
    .array(llmModelPriceSchema)
    .max(MOST_MODELS)
    .refine((models) => new Set(models.map(({ name }) => name)).size === models.length, "names a model twice")
    .meta({ description: "Prices; models that are not listed can be called and count as free." }),
  isDefault: z
    .boolean()
    .meta({ description: "Of prompts that name no provider. At most one provider is it." }),
};

/** Body of `POST /llm-providers`. */
export const createLlmProviderSchema = z
  .strictObject({
    ...fields,
    models: fields.models.default([]),
    isDefault: fields.isDefault.default(false),
  })
  .meta({ id: "CreateLlmProvider" });
export type CreateLlmProvider = z.infer<typeof createLlmProviderSchema>;

/** Body of `PATCH /llm-providers/{id}`. */
export const updateLlmProviderSchema = z.strictObject({
  ...fields,
  name: fields.name.optional(),
  baseUrl: fields.baseUrl.optional(),
  models: fields.models.optional(),
  isDefault: fields.isDefault.optional(),
});
export type UpdateLlmProvider = z.infer<typeof updateLlmProviderSchema>;

/** A provider, as the API shows it: never its key or the values of its headers. */
export const llmProviderSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    baseUrl: z.string(),
    hasApiKey: z.boolean(),
    headerNames: z.array(z.string()),
    models: z.array(llmModelPriceSchema),
    isDefault: z.boolean(),
    revision: revisionSchema,
    createdBy: z.string().nullable(),
    createdAt: instantSchema,
    updatedAt: instantSchema,
  })
  .meta({ id: "LlmProvider" });
export type LlmProvider = z.infer<typeof llmProviderSchema>;

/** Answer of `GET /llm-providers`. */
export const llmProviderPageSchema = pageOf(llmProviderSchema);

/** Answer of `POST /llm-providers/{id}/test`. */
export const llmProviderTestSchema = z
  .object({
    ok: z.boolean(),
    latencyMs: z.int(),
    models: z
      .array(z.string())
      .optional()
      .meta({ description: "What the provider offers; a hundred at most." }),
    error: z.string().optional(),
  })
  .meta({ id: "LlmProviderTest" });
export type LlmProviderTest = z.infer<typeof llmProviderTestSchema>;
