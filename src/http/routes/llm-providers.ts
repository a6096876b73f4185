import { z } from "zod";
import { pageQuerySchema } from "../../contracts/api/common.js";
import {
  createLlmProviderSchema,
  llmProviderPageSchema,
  llmProviderSchema,
  updateLlmProviderSchema,
} from "../../contracts/api/llm-providers.js";
import type { LlmProviders } from "../../services/llm-providers/llm-providers.js";
import { parseIfMatch } from "../if-match.js";
import { defineRoute, type RouteDefinition } from "../route.js";

const TAG = "LLM providers";
const PATH = "/api/v1/llm-providers";
const nameParamsSchema = z.strictObject({ name: z.string() });

/** `/api/v1/llm-providers`: the servers that answer LLM prompts. Their keys go in and never come out. */
export function llmProviderRoutes(deps: { readonly providers: LlmProviders }): RouteDefinition[] {
  return [...readRoutes(deps.providers), ...changeRoutes(deps.providers)];
}

function readRoutes(providers: LlmProviders): RouteDefinition[] {
  return [
    defineRoute({
      method: "get",
      path: PATH,
      permission: "provider:read",
      summary: "List LLM providers, without their keys",
      tag: TAG,
      query: pageQuerySchema,
      answers: { 200: { description: "One page", schema: llmProviderPageSchema } },
      handler: async ({ query }) => ({ status: 200, body: await providers.list(query) }),
    }),
    defineRoute({
      method: "get",
      path: `${PATH}/:name`,
      permission: "provider:read",
      summary: "Show an LLM provider, without its key",
      tag: TAG,
      params: nameParamsSchema,
      answers: { 200: { description: "The provider", schema: llmProviderSchema } },
      handler: async ({ params }) => ({ status: 200, body: await providers.get(params.name) }),
    }),
  ];
}

function changeRoutes(providers: LlmProviders): RouteDefinition[] {
  return [
    defineRoute({
      method: "post",
      path: PATH,
      permission: "provider:manage",
      summary: "Add an LLM provider: any server that speaks OpenAI's chat completions",
      tag: TAG,
      body: createLlmProviderSchema,
      answers: {
        201: { description: "Added", schema: llmProviderSchema },
        409: { description: "The name is taken" },
      },
      async handler({ body, actor, origin }) {
        const provider = await providers.create(body, { actor, origin });
        return { status: 201, headers: { Location: `${PATH}/${provider.name}` }, body: provider };
      },
    }),
    defineRoute({
      method: "patch",
      path: `${PATH}/:name`,
      permission: "provider:manage",
      summary: "Change an LLM provider; another baseUrl asks for its key again",
      tag: TAG,
      params: nameParamsSchema,
      body: updateLlmProviderSchema,
      answers: {
        200: { description: "Changed", schema: llmProviderSchema },
        409: { description: "The settings make this provider" },
        412: { description: "Changed by somebody else since" },
      },
      locate: async ({ params }) => await providers.get(params.name),
      async handler({ params, body, header, actor, origin }) {
        const revision = parseIfMatch(header("if-match"));
        return { status: 200, body: await providers.update(params.name, body, revision, { actor, origin }) };
      },
    }),
    defineRoute({
      method: "delete",
      path: `${PATH}/:name`,
      permission: "provider:manage",
      summary: "Delete an LLM provider; prompts that name it fail from then on",
      tag: TAG,
      params: nameParamsSchema,
      answers: {
        204: { description: "Deleted" },
        409: { description: "The settings make this provider" },
      },
      async handler({ params, actor, origin }) {
        await providers.remove(params.name, { actor, origin });
        return { status: 204 };
      },
    }),
  ];
}
