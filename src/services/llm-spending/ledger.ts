import type { Knex } from "knex";
import { newId } from "../../core/ids.js";
import type { LlmLedger, PlannedCall, Reservation } from "../../executors/llm/llm-ports.js";
import type { Db } from "../../models/repository.js";
import type { Logger } from "../../observability/logger.js";
import { assertWithinBudgets } from "./budget-check.js";

interface RunRow {
  readonly workflow_id: string | null;
  readonly workflow_name: string;
}

/**
 * Makes the ledger: a row for each call, written with its estimate before the call and settled after it. A budget's row
 * is locked while it is judged, so steps that run at the same time see each other's estimates: each can overshoot by
 * one call at most.
 */
export function createLlmLedger({
  knex,
  logger,
}: {
  readonly knex: Knex;
  readonly logger: Logger;
}): LlmLedger {
  return {
    async reserve(call) {
      const run: RunRow | undefined = await knex("workflow_runs")
        .first("workflow_id", "workflow_name")
        .where("id", call.runId);
      if (!run) throw new Error(`run ${call.runId} is gone`);
      const id = newId();
      await knex.transaction(async (trx) => {
        await assertWithinBudgets(trx, { ...call, workflowId: run.workflow_id });
        await insert(trx, id, call, run);
      });
      return toReservation({ knex, logger }, id);
    },
  };
}

async function insert(trx: Db, id: string, call: PlannedCall, run: RunRow): Promise<void> {
  const { runId, stepId, itemIndex, attempt, provider, model, estimate } = call;
  await trx("llm_usage").insert({
    id,
    run_id: runId,
    workflow_id: run.workflow_id,
    workflow_name: run.workflow_name,
    step_id: stepId,
    item_index: itemIndex,
    attempt,
    provider,
    model,
    input_tokens: estimate.inputTokens,
    output_tokens: estimate.outputTokens,
    cost: estimate.cost,
    is_settled: false,
  });
}

/** The reservation of a row that was written with its estimate. */
export function toReservation(
  deps: { readonly knex: Knex; readonly logger: Logger },
  id: string,
): Reservation {
  const open = () => deps.knex("llm_usage").where({ id, is_settled: false });
  const attempt = async (change: Promise<unknown>) => {
    try {
      await change;
    } catch (error) {
      deps.logger.warn(
        { err: error, usageId: id },
        "what a call to a model took was not recorded; its estimate stands",
      );
    }
  };
  return {
    async settle({ inputTokens, outputTokens, cost }) {
      const spent = { input_tokens: inputTokens, output_tokens: outputTokens, cost, is_settled: true };
      await attempt(open().update(spent));
    },
    cancel: async () => await attempt(open().delete()),
  };
}
