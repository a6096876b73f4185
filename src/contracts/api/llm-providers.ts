import { z } from "zod";
import { instantSchema, pageOf, revisionSchema } from "./common.js";

/** What a provider may be called, in the API and in the configuration of prompts. */
export const PROVIDER_NAME_PATTERN = /^[a-z][a-z0-9-]{0,62}$/;

/** The provider that the settings `OPENAI_API_KEY` and `OPENAI_BASE_URL` make. */
export const BUILT_IN_PROVIDER = "openai";

const priceSchema = z.number().min(0).max(1_000_000);

/** A model that a provider has, and what it costs. */
export const llmModelSchema = z
  .strictObject({
    name: z.string().min(1).max(200),
    inputUsdPerMillion: priceSchema.optional().meta({ description: "US dollars per million input tokens." }),
    outputUsdPerMillion: priceSchema
      .optional()
      .meta({ description: "US dollars per million output tokens." }),
  })
  .meta({ id: "LlmModel" });
export type LlmModel = z.infer<typeof llmModelSchema>;

const modelsSchema = z
  .array(llmModelSchema)
  .max(500)
  .superRefine((models, context) => {
    const seen = new Set<string>();
    models.forEach(({ name }, at) => {
      if (seen.has(name)) context.addIssue({ code: "custom", path: [at, "name"], message: "is named twice" });
      seen.add(name);
    });
  })
  .meta({ description: "With both prices, steps say what they cost. Prompts may name other models too." });

const fields = {
  description: z.string().max(1000),
  baseUrl: z.string().min(1).max(2000).meta({
    description: "Where the server's API begins; private addresses only as ALLOWED_HOSTS_PRIVATE says.",
    example: "https://api.openai.com/v1",
  }),
  apiKey: z
    .string()
    .min(1, "must not be empty")
    .max(4096)
    .regex(/^[\x21-\x7e]*$/, "must be printable ASCII without spaces")
    .nullable()
    .meta({ description: "Write-only; null where the server asks for none.", writeOnly: true }),
  models: modelsSchema,
  isDefault: z
    .boolean()
    .meta({ description: "Answers prompts that name no provider; the one before it ceases to." }),
};

/** Body of `POST /llm-providers`. */
export const createLlmProviderSchema = z.strictObject({
  name: z
    .string()
    .regex(PROVIDER_NAME_PATTERN, "must match ^[a-z][a-z0-9-]{0,62}$")
    .meta({ description: '"openai" takes the place of the one that the settings make.' }),
  description: fields.description.default(""),
  baseUrl: fields.baseUrl,
  apiKey: fields.apiKey.optional(),
  models: modelsSchema.default([]),
  isDefault: fields.isDefault.default(false),
});
export type CreateLlmProvider = z.infer<typeof createLlmProviderSchema>;

/** Body of `PATCH /llm-providers/{name}`. Another `baseUrl` asks for `apiKey` again, where there is one. */
export const updateLlmProviderSchema = z.strictObject(fields).partial();
export type UpdateLlmProvider = z.infer<typeof updateLlmProviderSchema>;

/** A provider, as the API shows it: never its key. */
export const llmProviderSchema = z
  .object({
    name: z.string(),
    description: z.string(),
    baseUrl: z.string(),
    hasKey: z.boolean(),
    models: z.array(llmModelSchema),
    isDefault: z.boolean().meta({ description: "Whether prompts that name no provider go to it." }),
    isBuiltIn: z.boolean().meta({ description: "Made by the settings, and changed only there." }),
    revision: revisionSchema,
    createdBy: z.string().nullable(),
    createdAt: instantSchema.nullable(),
    updatedAt: instantSchema.nullable(),
  })
  .meta({ id: "LlmProvider" });
export type LlmProvider = z.infer<typeof llmProviderSchema>;

/** Answer of `GET /llm-providers`. */
export const llmProviderPageSchema = pageOf(llmProviderSchema);
