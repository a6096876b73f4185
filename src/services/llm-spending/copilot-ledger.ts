import type { Knex } from "knex";
import { newId } from "../../core/ids.js";
import type { LlmSpending, Reservation } from "../../executors/llm/llm-ports.js";
import type { Logger } from "../../observability/logger.js";
import { assertWithinBudgets } from "./budget-check.js";
import { toReservation } from "./ledger.js";

/** A call of the copilot to a model, before it is made. */
export interface CopilotCall {
  /** The copilot's call, `diagnose` for one. */
  readonly purpose: string;
  readonly userId: string | null;
  readonly provider: string;
  readonly model: string;
  /** What it may take. */
  readonly estimate: LlmSpending;
}

/** Records what the copilot spends, and holds it against the budgets that are not a run's. */
export interface CopilotLedger {
  /**
   * Reserves the estimate.
   * @throws ExecutionError `rejected` when a budget that stops is spent; ApprovalNeededError when one that asks is: there
   * is no step to approve, so that is a refusal, too.
   */
  reserve(call: CopilotCall): Promise<Reservation>;
}

/** In `llm_usage.workflow_name`, where the sums are grouped by. */
const OWNER = "(copilot)";

/** Makes the ledger. */
export function createCopilotLedger(deps: { readonly knex: Knex; readonly logger: Logger }): CopilotLedger {
  return {
    async reserve({ purpose, userId, provider, model, estimate }) {
      const id = newId();
      await deps.knex.transaction(async (trx) => {
        await assertWithinBudgets(trx, {
          runId: null,
          workflowId: null,
          stepId: "",
          itemIndex: -1,
          provider,
        });
        await trx("llm_usage").insert({
          id,
          workflow_name: OWNER,
          purpose,
          user_id: userId,
          provider,
          model,
          input_tokens: estimate.inputTokens,
          output_tokens: estimate.outputTokens,
          cost: estimate.cost,
          is_settled: false,
        });
      });
      return toReservation(deps, id);
    },
  };
}
