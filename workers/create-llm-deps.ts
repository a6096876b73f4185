import type { Platform } from "../src/container.js";
import type { LlmPromptDeps } from "../src/executors/llm/llm-prompt.js";
import { EvaluationError } from "../src/services/evaluation-types.js";
import { createProviderFinder, listImplicitHosts } from "../src/services/llm-providers/find-provider.js";
import { createLlmLedger } from "../src/services/llm-spending/ledger.js";

/** What LLM prompts need of the platform. */
export function createLlmDeps(platform: Platform): LlmPromptDeps {
  const { knex, keys, settings, evaluator, logger } = platform;
  return {
    allowedPrivateHosts: [...settings.ALLOWED_HOSTS_PRIVATE, ...listImplicitHosts(settings)],
    ports: {
      findProvider: createProviderFinder({ knex, keys, settings }),
      ledger: createLlmLedger({ knex, logger }),
      validate: async (schema, value) => await evaluator.validate(schema, value),
      async renderTemplate(template, variables) {
        try {
          return { text: await evaluator.renderTemplate(template, variables) };
        } catch (error) {
          if (error instanceof EvaluationError) return { fault: error.message };
          throw error;
        }
      },
    },
  };
}
