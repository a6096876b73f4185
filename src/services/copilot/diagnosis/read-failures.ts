import type { Knex } from "knex";
import type { PatchTarget } from "../../../contracts/api/copilot.js";
import { isUuid } from "../../../core/ids.js";
import { isJsonObject, type JsonObject, type JsonValue } from "../../../core/json.js";
import type { RunError } from "../../../core/statuses.js";
import { notFound } from "../../../errors/app-error.js";
import type { WorkflowRunModel } from "../../../models/workflow-run-model.js";
import { WorkflowRunModel as Runs } from "../../../models/workflow-run-model.js";
import { WorkflowVersionModel } from "../../../models/workflow-version-model.js";
import { STEP_LISTS } from "../../workflow-definitions/parse-definition.js";
import { readComponents } from "../ground/read-components.js";
import { readHistory } from "../history/read-history.js";
import { NO_HISTORY } from "../history/workflow-history.js";
import type { Failure } from "./failure.js";

/** A run, its version, and its steps that failed. */
export interface FailedRun {
  readonly run: WorkflowRunModel;
  readonly version: WorkflowVersionModel;
  readonly failures: readonly Failure[];
  /** The run below, where a step failed because that did. */
  readonly child: FailedRun | undefined;
}

interface StepRow {
  readonly step_index: number;
  readonly item_index: number;
  readonly attempt: number;
  readonly inputs: JsonValue;
  readonly error: RunError | null;
  readonly child_run_id: string | null;
  readonly duration_ms: number | null;
}

const MOST_FAILURES = 5;
const MOST_LINES = 100;
const MOST_DEPTH = 10;

/** What failed in a run, down to the sub-workflow that it began in. @throws AppError NOT_FOUND */
export async function readFailedRun(knex: Knex, runId: string, depth = 0): Promise<FailedRun> {
  const run = isUuid(runId) ? await Runs.query(knex).findOne("id", runId) : undefined;
  if (!run) throw notFound("Run");
  const version = await WorkflowVersionModel.query(knex).findOne("id", run.workflowVersionId);
  if (!version) throw notFound("Workflow version");
  const rows = await readRows(knex, runId);
  const components = await readComponents(
    knex,
    version.plan.steps.flatMap(({ target }) => (target.kind === "mcp" ? [target.mcpVersionId] : [])),
  );
  const history =
    run.workflowId === null ? NO_HISTORY : await readHistory(knex, run.workflowId, version.plan);
  const failures: Failure[] = [];
  for (const row of rows) {
    const step = version.plan.steps[row.step_index];
    if (!step || !row.error) continue;
    const { target } = step;
    const component = target.kind === "mcp" ? components.get(target.mcpVersionId) : undefined;
    failures.push({
      runId,
      error: row.error,
      step,
      ...placeOf(version.definition, step.id),
      itemIndex: row.item_index,
      attempts: row.attempt,
      inputs: row.inputs,
      logs: await readLastLines(knex, runId, step.id, row.item_index),
      durationMs: row.duration_ms,
      component,
      history: history.steps.get(step.id),
      plan: version.plan,
      targets: {
        definition: definitionTarget(run),
        config: component && {
          kind: "config",
          mcp: `${component.name}@${component.version}`,
          mcpVersionId: component.id,
        },
      },
    });
  }
  const below = rows.find((row) => row.child_run_id !== null)?.child_run_id;
  const child = below == null || depth >= MOST_DEPTH ? undefined : await findChild(knex, below, depth);
  return { run, version, failures, child };
}

async function findChild(knex: Knex, id: string, depth: number): Promise<FailedRun | undefined> {
  // retention may have taken it
  const row = await knex("workflow_runs").first("id").where("id", id);
  return row ? await readFailedRun(knex, id, depth + 1) : undefined;
}

/** The document that the definition's patches change. */
export function definitionTarget(run: WorkflowRunModel): PatchTarget {
  return { kind: "definition", workflow: run.workflowName, version: run.workflowVersion };
}

/** Steps that failed by themselves; those that only had failed items or failed ancestors come after them, or not at all. */
async function readRows(knex: Knex, runId: string): Promise<StepRow[]> {
  const { rows } = await knex.raw<{ rows: StepRow[] }>(
    `SELECT step_index, item_index, attempt, inputs, error, child_run_id,
       (extract(epoch FROM finished_at - started_at) * 1000)::float8 AS duration_ms
     FROM step_runs
     WHERE run_id = ? AND status = 'failed' AND error IS NOT NULL
     ORDER BY (error ->> 'code' = 'dependency_failed') , (items_total IS NOT NULL), finished_at, step_index, item_index
     LIMIT ${MOST_FAILURES}`,
    [runId],
  );
  return rows;
}

function placeOf(definition: JsonObject, stepId: string): { path: string; written: JsonObject } {
  for (const { member } of STEP_LISTS) {
    const list = definition[member];
    if (!Array.isArray(list)) continue;
    const at = list.findIndex((step) => isJsonObject(step) && step["id"] === stepId);
    const written = list[at];
    if (isJsonObject(written)) return { path: `/${member}/${at}`, written };
  }
  return { path: "/steps/0", written: {} };
}

async function readLastLines(
  knex: Knex,
  runId: string,
  stepId: string,
  itemIndex: number,
): Promise<string[]> {
  const query = knex("run_events")
    .select("data")
    .where({ run_id: runId, type: "step.log", step_id: stepId })
    .orderBy("seq", "desc")
    .limit(20);
  if (itemIndex >= 0) void query.where("item_index", itemIndex);
  const events: { data: { lines?: { message: string }[] } }[] = await query;
  return events
    .reverse()
    .flatMap(({ data }) => (data.lines ?? []).map(({ message }) => message.slice(0, 2_000)))
    .slice(-MOST_LINES);
}
