import type { Knex } from "knex";
import type { RecordedOutput } from "../findings/finding-rule.js";
import type { WorkflowGround } from "../ground/workflow-ground.js";

const MOST_BYTES = 64 * 1024;

/** What a step gave in the newest runs that were looked at; outputs above 64 KiB are left out. */
export async function readOutputs(
  knex: Knex,
  { history }: Pick<WorkflowGround, "history">,
  stepId: string,
): Promise<RecordedOutput[]> {
  if (!history.steps.has(stepId)) return [];
  const rows: RecordedOutput[] = await knex("step_runs")
    .select("run_id AS runId", "output")
    .whereIn("run_id", [...history.runIds])
    .where({ step_id: stepId, status: "succeeded" })
    .where("item_index", -1)
    .whereNotNull("output")
    .whereRaw(`octet_length(output::text) <= ${MOST_BYTES}`)
    .orderBy("run_id", "desc");
  return rows;
}
