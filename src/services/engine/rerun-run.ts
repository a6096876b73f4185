import type { Knex } from "knex";
import { toCanonicalJson } from "../../core/canonical-json.js";
import type { Actor } from "../../core/actor.js";
import { newId } from "../../core/ids.js";
import type { JsonValue } from "../../core/json.js";
import type { RunPlan } from "../../core/plan.js";
import { planReuse } from "../../core/plan-reuse.js";
import { isRunTerminal, type RunStatus } from "../../core/statuses.js";
import { canActor } from "../access/assert-can.js";
import { AppError, conflict, invalidFields, notFound } from "../../errors/app-error.js";
import type { AuditLog } from "../audit/audit-log.js";
import type { SafeEvaluator } from "../evaluation-types.js";
import type { RerunRun, RunCommands } from "../runs/run-commands.js";
import type { Admission } from "./admission.js";
import type { NewRun, ReusedSteps } from "./flush-batch.js";
import type { CompiledVersion, PlanCache } from "./plan-cache.js";

/** The dependencies of reruns. */
export interface RerunDeps {
  readonly knex: Knex;
  readonly plans: PlanCache;
  readonly admission: Admission;
  readonly evaluator: SafeEvaluator;
  readonly audit: AuditLog;
}

interface OldRun {
  readonly id: string;
  readonly status: RunStatus;
  readonly workflow_id: string | null;
  readonly workflow_version_id: string;
  readonly workflow_name: string;
  readonly input: JsonValue;
  readonly labels: Record<string, string>;
  readonly priority: number;
  readonly step_states: string;
}

const FAILED = "failed";
const START = "start";

/** Starts a new run of an ended one: see `RunCommands.rerun`. */
export function createRerunner(deps: RerunDeps): RunCommands["rerun"] {
  const { knex, plans } = deps;

  return async function rerun(runId, given, actor, origin) {
    const old: OldRun | undefined = await knex("workflow_runs").first("*").where("id", runId);
    if (!old) throw notFound("Run");
    if (!isRunTerminal(old.status)) throw conflict(`the run is ${old.status}`);
    const before = await plans.get(old.workflow_version_id);
    const version = await findVersion(knex, plans, before, given.version, actor);
    const input = given.input ?? old.input;
    const reused = toReused(old, before.plan, version.plan, given, input);
    if (given.input !== undefined || version.id !== before.id)
      await checkInput(deps.evaluator, version.inputSchema, input);
    const made = toNewRun(old, version, input, actor, reused);
    // an id reserved by the caller: asking twice must not make two runs
    const run = given.newRunId === undefined ? made : { ...made, id: given.newRunId };
    const after = { from: given.from ?? FAILED, runId: run.id, version: version.version };
    const about = { action: "run.rerun", entityType: "workflow_run", entityId: runId };
    await deps.admission.create({ ...run, entry: { actor, origin, ...about, after } });
    return { runId: run.id };
  };
}

/** The version to run: the old run's, also when it was deleted since, or another of the same workflow. */
async function findVersion(
  knex: Knex,
  plans: PlanCache,
  before: CompiledVersion,
  wanted: number | undefined,
  actor: Actor,
): Promise<CompiledVersion> {
  if (wanted === undefined || wanted === before.version) return before;
  const row = await knex("workflow_versions")
    .first("id", "published_at")
    .where({ workflow_definition_id: before.workflowId, version: wanted });
  if (!row) throw invalidFields([{ path: "/version", message: `there is no version ${wanted}` }]);
  if (row.published_at === null && !canActor(actor, "definition:write"))
    throw new AppError("FORBIDDEN", "Only who may change workflows may run a draft");
  return await plans.get(row.id as string);
}

function toReused(
  old: OldRun,
  before: RunPlan,
  plan: RunPlan,
  { from = FAILED }: RerunRun,
  input: JsonValue,
): ReusedSteps | undefined {
  if (from === START) return undefined;
  if (toCanonicalJson(input) !== toCanonicalJson(old.input))
    throw invalidFields([{ path: "/input", message: 'can be another one only with from: "start"' }]);
  if (from === FAILED && old.status === "succeeded") throw conflict("no step of the run has failed");
  const index = plan.steps.findIndex((step) => step.id === from);
  if (from !== FAILED && index < 0)
    throw invalidFields([
      { path: "/from", message: `must be failed, start or a step; there is no step ${from}` },
    ]);
  const steps = planReuse({
    before,
    states: old.step_states,
    plan,
    from: from === FAILED ? undefined : index,
  });
  return steps.size === 0 ? undefined : { fromRunId: old.id, steps };
}

async function checkInput(evaluator: SafeEvaluator, schema: JsonValue, input: JsonValue): Promise<void> {
  if (schema === null) return;
  const faults = await evaluator.validate(schema, input);
  if (faults.length > 0)
    throw invalidFields(faults.map(({ path, message }) => ({ path: `/input${path}`, message })));
}

function toNewRun(
  old: OldRun,
  version: CompiledVersion,
  input: JsonValue,
  actor: Actor,
  reused: ReusedSteps | undefined,
): NewRun {
  return {
    id: newId(),
    workflowId: version.workflowId,
    versionId: version.id,
    workflowName: old.workflow_name,
    workflowVersion: version.version,
    trigger: actor.type === "system" ? "manual" : "api",
    input,
    labels: old.labels,
    priority: old.priority,
    delayMs: 0,
    createdBy: actor.userId,
    createdByName: actor.name,
    replayOf: old.id,
    reused,
  };
}
