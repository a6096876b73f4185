import type { BudgetPeriod, BudgetScope } from "../../contracts/api/llm-budgets.js";
import type { PlannedCall } from "../../executors/llm/llm-ports.js";
import { ApprovalNeededError, ExecutionError } from "../../executors/types.js";
import { LlmBudgetModel } from "../../models/llm-budget-model.js";
import type { Db } from "../../models/repository.js";

/** A call, with the workflow of its run. */
export interface JudgedCall extends Omit<PlannedCall, "runId" | "estimate" | "model" | "attempt"> {
  /** Null for a call that no run makes. */
  readonly runId: string | null;
  readonly workflowId: string | null;
}

interface Spent {
  readonly tokens: number;
  /** A decimal as text. */
  readonly cost: string;
}

/** Where a period began, by the database's clock. */
const PERIOD_START: Readonly<Record<BudgetPeriod, string>> = {
  total: "'-infinity'::timestamptz",
  month: "date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'",
  day: "date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'",
};
const PERIOD_WORDS: Readonly<Record<BudgetPeriod, string>> = {
  total: "",
  month: " of this month",
  day: " of this day",
};

/**
 * Judges a call by every budget that holds for it; call it in the transaction that writes the call down. What is
 * reserved counts as spent.
 * @throws ExecutionError `rejected` when a budget that stops is spent; ApprovalNeededError when one that asks is, and
 * the step has no approval for it yet.
 */
export async function assertWithinBudgets(trx: Db, call: JudgedCall): Promise<void> {
  const budgets = await LlmBudgetModel.query(trx)
    .where("enabled", true)
    .whereRaw("(workflow_id IS NULL OR workflow_id = ?)", [call.workflowId])
    // what no run spends, no run's budget bounds
    .whereRaw("(scope <> 'run' OR ?::uuid IS NOT NULL)", [call.runId])
    .whereRaw("(provider IS NULL OR provider = ?)", [call.provider])
    .orderBy("id")
    .forNoKeyUpdate();
  const exceeded: LlmBudgetModel[] = [];
  for (const budget of budgets) if (await isSpent(trx, budget, call)) exceeded.push(budget);
  const stopping = exceeded.find(({ action }) => action === "stop");
  if (stopping)
    throw new ExecutionError("rejected", describe(stopping), { details: { budget: stopping.name } });
  if (exceeded.length === 0) return;
  const granted = await readGrants(trx, call);
  const asking = exceeded.find((budget) => !granted.includes(subjectOf(budget)));
  if (!asking) return;
  throw new ApprovalNeededError({ reason: "budget", detail: describe(asking), subject: subjectOf(asking) });
}

async function isSpent(trx: Db, budget: LlmBudgetModel, call: JudgedCall): Promise<boolean> {
  const query = trx("llm_usage")
    .first(
      trx.raw("coalesce(sum(input_tokens + output_tokens), 0)::bigint AS tokens"),
      trx.raw("coalesce(sum(cost), 0) AS cost"),
    )
    .whereRaw(`at >= ${PERIOD_START[budget.period]}`);
  narrow(query, budget.scope, call);
  if (budget.provider !== null) void query.where("provider", budget.provider);
  if (budget.workflowId !== null) void query.where("workflow_id", budget.workflowId);
  const spent = (await query) as unknown as Spent;
  const { maxTokens, maxCost } = budget;
  return (
    (maxTokens !== null && spent.tokens >= maxTokens) ||
    (maxCost !== null && Number(spent.cost) >= Number(maxCost))
  );
}

function narrow(query: ReturnType<Db>, scope: BudgetScope, call: JudgedCall): void {
  if (scope === "run") void query.where("run_id", call.runId);
  if (scope === "workflow") void query.whereRaw("workflow_id IS NOT DISTINCT FROM ?", [call.workflowId]);
  if (scope === "provider") void query.where("provider", call.provider);
}

/** What the step's approvals so far were given for. */
async function readGrants(trx: Db, { runId, stepId, itemIndex }: JudgedCall): Promise<readonly string[]> {
  if (runId === null) return [];
  const row = await trx("step_runs")
    .first(trx.raw("approval -> 'grants' AS grants"))
    .where({ run_id: runId, step_id: stepId, item_index: itemIndex });
  return (row?.grants as string[] | null | undefined) ?? [];
}

function subjectOf({ id }: LlmBudgetModel): string {
  return `llm-budget:${id}`;
}

function describe({ name, scope, period, provider, maxCost, maxTokens }: LlmBudgetModel): string {
  const limits = [
    ...(maxTokens === null ? [] : [`${maxTokens} tokens`]),
    ...(maxCost === null ? [] : [`a cost of ${Number(maxCost)}`]),
  ];
  const whose = {
    run: "of the run",
    workflow: "of the workflow",
    provider: "of the provider",
    day: "of all",
  }[scope];
  const to = provider === null || scope === "provider" ? "" : ` with ${provider}`;
  return `the budget "${name}" ${whose}${to}${PERIOD_WORDS[period]} is spent: ${limits.join(" or ")}`;
}
