import type { Knex } from "knex";
import type { CreateLlmBudget, LlmBudget, UpdateLlmBudget } from "../../contracts/api/llm-budgets.js";
import type { By } from "../../core/actor.js";
import { newId } from "../../core/ids.js";
import { AppError, invalidFields, notFound } from "../../errors/app-error.js";
import { LlmBudgetModel } from "../../models/llm-budget-model.js";
import { createRepository, type Db, type Page, type PageRequest } from "../../models/repository.js";
import type { AuditLog } from "../audit/audit-log.js";
import { orNameTaken } from "../name-taken.js";
import { getWorkflowByNameOrId } from "../workflow-definitions/workflow-queries.js";

/** Budgets of what may be spent with language models. Every change stands or falls with its audit entry. */
export interface LlmBudgets {
  list(page: PageRequest): Promise<Page<LlmBudget>>;
  /** @throws AppError NOT_FOUND */
  get(id: string): Promise<LlmBudget>;
  /** @throws AppError INVALID_FIELDS, CONFLICT */
  create(body: CreateLlmBudget, by: By): Promise<LlmBudget>;
  /** @throws AppError NOT_FOUND, INVALID_FIELDS, CONFLICT; REVISION_STALE when `revision` is not the stored one. */
  update(id: string, body: UpdateLlmBudget, revision: number | undefined, by: By): Promise<LlmBudget>;
  /** @throws AppError NOT_FOUND */
  remove(id: string, by: By): Promise<void>;
}

const budgets = createRepository<LlmBudgetModel>(LlmBudgetModel, "LLM budget");

/** Makes the service. */
export function createLlmBudgets(deps: { readonly knex: Knex; readonly audit: AuditLog }): LlmBudgets {
  const { knex, audit } = deps;
  return {
    async list(page) {
      const found = await budgets.listPage(knex, page);
      return { ...found, items: found.items.map(presentBudget) };
    },
    get: async (id) => presentBudget(await budgets.get(knex, id)),
    async create(body, by) {
      const { name, scope, provider = null, maxCost = null, maxTokens = null, action, enabled } = body;
      const workflowId = body.workflow == null ? null : await findWorkflow(knex, body.workflow);
      const id = newId();
      const row = {
        ...{ id, name, scope, workflowId, provider, maxTokens, action, enabled },
        period: scope === "run" ? ("total" as const) : scope === "day" ? ("day" as const) : body.period,
        maxCost: maxCost === null ? null : String(maxCost),
        createdBy: by.actor.userId,
      };
      return await knex.transaction(async (trx) => {
        const made = presentBudget(await orNameTaken(budgets.insert(trx, row), "an LLM budget", name));
        await audit.record(trx, { ...entryOf("llm_budget.create", id, by), after: made });
        return made;
      });
    },
    update: async (id, body, revision, by) => await updateBudget(deps, id, { body, revision, by }),
    async remove(id, by) {
      const before = presentBudget(await budgets.get(knex, id));
      await knex.transaction(async (trx) => {
        if (!(await budgets.delete(trx, id))) throw notFound("LLM budget");
        await audit.record(trx, { ...entryOf("llm_budget.delete", id, by), before });
      });
    },
  };
}

async function updateBudget(
  { knex, audit }: { readonly knex: Knex; readonly audit: AuditLog },
  id: string,
  change: { readonly body: UpdateLlmBudget; readonly revision: number | undefined; readonly by: By },
): Promise<LlmBudget> {
  const { body, revision, by } = change;
  await budgets.get(knex, id);
  return await knex.transaction(async (trx) => {
    const before = await LlmBudgetModel.query(trx).where("id", id).forUpdate().first();
    if (!before) throw notFound("LLM budget");
    const { maxCost = before.maxCost, maxTokens = before.maxTokens, ...rest } = body;
    if (maxCost === null && maxTokens === null)
      throw invalidFields([{ path: "/maxCost", message: "or maxTokens is required" }]);
    const patch = { ...rest, maxTokens, maxCost: maxCost === null ? null : String(maxCost) };
    const changed = budgets.update(trx, id, patch, revision);
    const after = presentBudget(await orNameTaken(changed, "an LLM budget", rest.name ?? before.name));
    const entry = entryOf("llm_budget.update", id, by);
    await audit.record(trx, { ...entry, before: presentBudget(before), after });
    return after;
  });
}

async function findWorkflow(db: Db, nameOrId: string): Promise<string> {
  try {
    return (await getWorkflowByNameOrId(db, nameOrId)).id;
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "NOT_FOUND") throw error;
    throw invalidFields([{ path: "/workflow", message: "there is no such workflow" }]);
  }
}

function presentBudget(row: LlmBudgetModel): LlmBudget {
  return {
    id: row.id,
    name: row.name,
    scope: row.scope,
    period: row.period,
    workflowId: row.workflowId,
    provider: row.provider,
    maxCost: row.maxCost === null ? null : Number(row.maxCost),
    maxTokens: row.maxTokens,
    action: row.action,
    enabled: row.enabled,
    revision: row.revision,
    createdBy: row.createdBy,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

function entryOf(action: string, id: string, { actor, origin }: By) {
  return { actor, origin, action, entityType: "llm_budget", entityId: id };
}
