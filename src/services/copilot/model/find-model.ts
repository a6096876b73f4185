import type { Knex } from "knex";
import type { Settings } from "../../../config/settings-schema.js";
import type { LlmProvider } from "../../../executors/llm/llm-ports.js";
import { ExecutionError } from "../../../executors/types.js";

/** What the choice depends on. */
export interface FindModelDeps {
  readonly knex: Knex;
  readonly findProvider: (name: string | undefined) => Promise<LlmProvider>;
  readonly settings: Pick<Settings, "COPILOT_MODEL">;
}

/** The model that the copilot asks, or why there is none. */
export type ChosenModel =
  | { readonly provider: LlmProvider; readonly model: string }
  | { readonly missing: string };

/** Every OpenAI account has it; other providers name their models. */
const OPENAI_MODEL = "gpt-4.1-mini";
const HOW =
  "Analysis answers alone. Set OPENAI_API_KEY, or add an LLM provider with a model, and COPILOT_MODEL.";

/** The default provider, or the only one there is; of it `COPILOT_MODEL`, or its first model. */
export async function findModel({ knex, findProvider, settings }: FindModelDeps): Promise<ChosenModel> {
  try {
    const provider = await findProvider(await nameOnlyProvider(knex));
    const model =
      settings.COPILOT_MODEL ??
      provider.models[0]?.name ??
      (provider.name === "default" ? OPENAI_MODEL : undefined);
    return model === undefined
      ? { missing: `The provider ${provider.name} names no model. ${HOW}` }
      : { provider, model };
  } catch (error) {
    if (error instanceof ExecutionError && error.code === "invalid_input")
      return { missing: `No model is configured. ${HOW}` };
    throw error;
  }
}

/** Undefined: the default one. */
async function nameOnlyProvider(knex: Knex): Promise<string | undefined> {
  const rows: { name: string; is_default: boolean }[] = await knex("llm_providers")
    .select("name", "is_default")
    .orderBy("is_default", "desc")
    .limit(2);
  const [first] = rows;
  return rows.length === 1 && first && !first.is_default ? first.name : undefined;
}
