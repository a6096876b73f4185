import { idParamsSchema, pageQuerySchema } from "../../contracts/api/common.js";
import {
  createLlmBudgetSchema,
  llmBudgetPageSchema,
  llmBudgetSchema,
  llmUsageQuerySchema,
  llmUsageSummarySchema,
  updateLlmBudgetSchema,
} from "../../contracts/api/llm-budgets.js";
import type { LlmUsageQuery, LlmUsageSummary } from "../../contracts/api/llm-budgets.js";
import type { LlmBudgets } from "../../services/llm-spending/llm-budgets.js";
import { parseIfMatch } from "../if-match.js";
import { defineRoute, type RouteDefinition } from "../route.js";

const TAG = "Language models";
const PATH = "/api/v1/llm-budgets";

/** What the routes call. */
export interface LlmSpendingRouteDeps {
  readonly budgets: LlmBudgets;
  readonly summarizeUsage: (query: LlmUsageQuery) => Promise<LlmUsageSummary>;
}

/** `/api/v1/llm-budgets` and `/api/v1/llm-usage`: what may be spent with language models, and what was. */
export function llmSpendingRoutes(deps: LlmSpendingRouteDeps): RouteDefinition[] {
  return [...readRoutes(deps), ...changeRoutes(deps.budgets)];
}

function readRoutes({ budgets, summarizeUsage }: LlmSpendingRouteDeps): RouteDefinition[] {
  return [
    defineRoute({
      method: "get",
      path: "/api/v1/llm-usage",
      permission: "llm:read",
      summary: "Sum what calls to language models took",
      tag: TAG,
      query: llmUsageQuerySchema,
      answers: { 200: { description: "Tokens and cost, in groups", schema: llmUsageSummarySchema } },
      handler: async ({ query }) => ({ status: 200, body: await summarizeUsage(query) }),
    }),
    defineRoute({
      method: "get",
      path: PATH,
      permission: "llm:manage",
      summary: "List budgets of language models",
      tag: TAG,
      query: pageQuerySchema,
      answers: { 200: { description: "One page", schema: llmBudgetPageSchema } },
      handler: async ({ query }) => ({ status: 200, body: await budgets.list(query) }),
    }),
    defineRoute({
      method: "get",
      path: `${PATH}/:id`,
      permission: "llm:manage",
      summary: "Show a budget",
      tag: TAG,
      params: idParamsSchema,
      answers: { 200: { description: "The budget", schema: llmBudgetSchema } },
      handler: async ({ params }) => ({ status: 200, body: await budgets.get(params.id) }),
    }),
  ];
}

function changeRoutes(budgets: LlmBudgets): RouteDefinition[] {
  return [
    defineRoute({
      method: "post",
      path: PATH,
      permission: "llm:manage",
      summary: "Set a budget for calls to language models",
      tag: TAG,
      body: createLlmBudgetSchema,
      answers: {
        201: { description: "Set", schema: llmBudgetSchema },
        409: { description: "The name is taken" },
      },
      async handler({ body, actor, origin }) {
        const budget = await budgets.create(body, { actor, origin });
        return { status: 201, headers: { Location: `${PATH}/${budget.id}` }, body: budget };
      },
    }),
    defineRoute({
      method: "patch",
      path: `${PATH}/:id`,
      permission: "llm:manage",
      summary: "Change a budget",
      tag: TAG,
      params: idParamsSchema,
      body: updateLlmBudgetSchema,
      answers: {
        200: { description: "Changed", schema: llmBudgetSchema },
        409: { description: "The name is taken" },
        412: { description: "Changed by somebody else since" },
      },
      locate: async ({ params }) => await budgets.get(params.id),
      async handler({ params, body, header, actor, origin }) {
        const revision = parseIfMatch(header("if-match"));
        return { status: 200, body: await budgets.update(params.id, body, revision, { actor, origin }) };
      },
    }),
    defineRoute({
      method: "delete",
      path: `${PATH}/:id`,
      permission: "llm:manage",
      summary: "Remove a budget",
      tag: TAG,
      params: idParamsSchema,
      answers: { 204: { description: "Removed" } },
      async handler({ params, actor, origin }) {
        await budgets.remove(params.id, { actor, origin });
        return { status: 204 };
      },
    }),
  ];
}
