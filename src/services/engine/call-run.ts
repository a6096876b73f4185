import type { Knex } from "knex";
import type { JsonObject, JsonValue } from "../../core/json.js";
import type { StepTarget } from "../../core/plan.js";
import type { StepKey } from "../../core/transition.js";
import { ExecutionError } from "../../executors/types.js";
import type { SafeEvaluator } from "../evaluation-types.js";
import type { NewRun } from "./flush-batch.js";
import type { PlanCache } from "./plan-cache.js";

/** The dependencies of calling runs. */
export interface RunCallerDeps {
  readonly knex: Knex;
  readonly plans: PlanCache;
  readonly evaluator: SafeEvaluator;
}

type WorkflowTarget = Extract<StepTarget, { kind: "workflow" }>;

/** Makes the run that a `workflow:` step starts: with the caller's priority, and in the name of whoever started that. */
export function createRunCaller({ knex, plans, evaluator }: RunCallerDeps) {
  async function checkInput(schema: JsonValue, input: JsonObject, workflow: string): Promise<void> {
    if (schema === null) return;
    const faults = await evaluator.validate(schema, input);
    const [first] = faults;
    if (!first) return;
    const errors = faults.map(({ path, message }) => ({ path, message }));
    const message = `Input ${first.path || "/"} of ${workflow} ${first.message}`;
    throw new ExecutionError("invalid_input", message, { details: { errors } });
  }

  /** @throws ExecutionError `invalid_input` when the input does not fit the workflow's schema. */
  return async function prepareCall(
    parent: StepKey & { readonly runId: string },
    target: WorkflowTarget,
    childRunId: string,
    input: JsonObject,
  ): Promise<NewRun> {
    const { inputSchema } = await plans.get(target.versionId);
    await checkInput(inputSchema, input, target.name);
    const caller = await knex("workflow_runs")
      .first("priority", "created_by", "created_by_name")
      .where("id", parent.runId);
    return {
      id: childRunId,
      workflowId: target.workflowId,
      versionId: target.versionId,
      workflowName: target.name,
      workflowVersion: target.version,
      trigger: "workflow",
      input,
      labels: {},
      priority: caller?.priority ?? 0,
      delayMs: 0,
      createdBy: caller?.created_by ?? null,
      createdByName: caller?.created_by_name ?? "headrace",
      parent,
    };
  };
}

/** See {@link createRunCaller}. */
export type RunCaller = ReturnType<typeof createRunCaller>;
