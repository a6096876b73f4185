import { BUILT_IN_PROVIDER, type LlmProvider } from "../../contracts/api/llm-providers.js";

const OPENAI_URL = "https://api.openai.com/v1";

/** The settings that make a provider by themselves. */
export interface BuiltInSettings {
  readonly OPENAI_API_KEY?: string | undefined;
  readonly OPENAI_BASE_URL?: string | undefined;
}

/** The provider that the settings make, with its key; undefined when neither of them is set. */
export function readBuiltIn({ OPENAI_API_KEY, OPENAI_BASE_URL }: BuiltInSettings) {
  if (OPENAI_API_KEY === undefined && OPENAI_BASE_URL === undefined) return undefined;
  return { name: BUILT_IN_PROVIDER, baseUrl: OPENAI_BASE_URL ?? OPENAI_URL, apiKey: OPENAI_API_KEY };
}

/** The same, as the API shows it. */
export function presentBuiltIn(settings: BuiltInSettings, isDefault: boolean): LlmProvider | undefined {
  const builtIn = readBuiltIn(settings);
  return (
    builtIn && {
      name: builtIn.name,
      description: "Made by the settings OPENAI_API_KEY and OPENAI_BASE_URL",
      baseUrl: builtIn.baseUrl,
      hasKey: builtIn.apiKey !== undefined,
      models: [],
      isDefault,
      isBuiltIn: true,
      revision: 1,
      createdBy: null,
      createdAt: null,
      updatedAt: null,
    }
  );
}
