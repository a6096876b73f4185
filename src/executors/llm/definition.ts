import { z } from "zod";
import { providerNameField, textField, timeoutSecondsField } from "../config-fields.js";
import type { ExecutorDefinition } from "../types.js";

const MAX_PROMPT_CHARACTERS = 256 * 1024;
const TOOL = /^mcp:[a-z][a-z0-9-]{1,62}@(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?$/;

/** Configuration of an LLM prompt. Where the call goes is the provider's configuration, never the author's. */
export const llmPromptConfigSchema = z.strictObject({
  type: z.literal("llm_prompt"),
  model: textField(200).min(1, "must not be empty"),
  systemPrompt: textField(MAX_PROMPT_CHARACTERS).optional(),
  userPromptTemplate: textField(MAX_PROMPT_CHARACTERS).min(1, "must not be empty"),
  temperature: z.number().min(0).max(2).optional(),
  maxTokens: z.int().min(1).max(1_000_000).optional(),
  topP: z.number().min(0).max(1).optional(),
  responseFormat: z
    .discriminatedUnion("type", [
      z.strictObject({ type: z.literal("text") }),
      z.strictObject({
        type: z.literal("json_schema"),
        schema: z.record(z.string(), z.json()).describe("JSON Schema 2020-12 of the answer."),
      }),
    ])
    .optional(),
  tools: z.array(z.string().max(200).regex(TOOL, "must be mcp:NAME@VERSION")).max(64).optional(),
  maxToolRounds: z.int().min(0).max(100).default(8),
  provider: providerNameField.optional(),
  timeoutSeconds: timeoutSecondsField,
});
export type LlmPromptConfig = z.infer<typeof llmPromptConfigSchema>;

/** LLM prompts as a component type. */
export const llmPromptDefinition = {
  type: "llm_prompt",
  configSchema: llmPromptConfigSchema,
  label: "LLM prompt",
  description: "Fills a prompt with the inputs and asks a language model, which may use tools.",
  copilotPrompt:
    "userPromptTemplate is Liquid over the inputs; systemPrompt is sent as it is. responseFormat json_schema makes the output's " +
    "json member. tools are other components as mcp:NAME@VERSION. The provider is named, never an address. Set maxTokens.",
} as const satisfies ExecutorDefinition<LlmPromptConfig>;
