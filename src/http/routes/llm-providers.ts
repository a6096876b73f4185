import { idParamsSchema, pageQuerySchema } from "../../contracts/api/common.js";
import {
  createLlmProviderSchema,
  llmProviderPageSchema,
  llmProviderSchema,
  llmProviderTestSchema,
  updateLlmProviderSchema,
} from "../../contracts/api/llm-providers.js";
import type { LlmProviders } from "../../services/llm-providers/llm-providers.js";
import { parseIfMatch } from "../if-match.js";
import { defineRoute, type RouteDefinition } from "../route.js";

const TAG = "Language models";
const PATH = "/api/v1/llm-providers";

/** `/api/v1/llm-providers`: where LLM prompts are sent. */
export function llmProviderRoutes(deps: { readonly providers: LlmProviders }): RouteDefinition[] {
  return [...readRoutes(deps.providers), ...changeRoutes(deps.providers), testRoute(deps.providers)];
}

function readRoutes(providers: LlmProviders): RouteDefinition[] {
  return [
    defineRoute({
      method: "get",
      path: PATH,
      permission: "llm:read",
      summary: "List the providers of language models, without their keys",
      tag: TAG,
      query: pageQuerySchema,
      answers: { 200: { description: "One page", schema: llmProviderPageSchema } },
      handler: async ({ query }) => ({ status: 200, body: await providers.list(query) }),
    }),
    defineRoute({
      method: "get",
      path: `${PATH}/:id`,
      permission: "llm:read",
      summary: "Show a provider, without its key",
      tag: TAG,
      params: idParamsSchema,
      answers: { 200: { description: "The provider", schema: llmProviderSchema } },
      handler: async ({ params }) => ({ status: 200, body: await providers.get(params.id) }),
    }),
  ];
}

function changeRoutes(providers: LlmProviders): RouteDefinition[] {
  return [
    defineRoute({
      method: "post",
      path: PATH,
      permission: "llm:manage",
      summary: "Add a provider",
      tag: TAG,
      body: createLlmProviderSchema,
      answers: {
        201: { description: "Added", schema: llmProviderSchema },
        409: { description: "The name is taken" },
      },
      async handler({ body, actor, origin }) {
        const provider = await providers.create(body, { actor, origin });
        return { status: 201, headers: { Location: `${PATH}/${provider.id}` }, body: provider };
      },
    }),
    defineRoute({
      method: "patch",
      path: `${PATH}/:id`,
      permission: "llm:manage",
      summary: "Change a provider; a new baseUrl asks for its key and headers again",
      tag: TAG,
      params: idParamsSchema,
      body: updateLlmProviderSchema,
      answers: {
        200: { description: "Changed", schema: llmProviderSchema },
        409: { description: "The name is taken" },
        412: { description: "Changed by somebody else since" },
      },
      locate: async ({ params }) => await providers.get(params.id),
      async handler({ params, body, header, actor, origin }) {
        const revision = parseIfMatch(header("if-match"));
        return { status: 200, body: await providers.update(params.id, body, revision, { actor, origin }) };
      },
    }),
    defineRoute({
      method: "delete",
      path: `${PATH}/:id`,
      permission: "llm:manage",
      summary: "Remove a provider; prompts that name it fail from then on",
      tag: TAG,
      params: idParamsSchema,
      answers: { 204: { description: "Removed" } },
      async handler({ params, actor, origin }) {
        await providers.remove(params.id, { actor, origin });
        return { status: 204 };
      },
    }),
  ];
}

function testRoute(providers: LlmProviders): RouteDefinition {
  return defineRoute({
    method: "post",
    path: `${PATH}/:id/test`,
    permission: "llm:manage",
    summary: "Ask a provider for its models, to see that address and key are right",
    tag: TAG,
    params: idParamsSchema,
    answers: { 200: { description: "What came of it", schema: llmProviderTestSchema } },
    handler: async ({ params, actor, origin, signal }) => ({
      status: 200,
      body: await providers.test(params.id, { actor, origin }, signal),
    }),
  });
}
