import type { Knex } from "knex";
import type { Actor, RequestOrigin } from "../../core/actor.js";
import { type ApprovalState, isApprover } from "../../core/approval.js";
import type { StepStatus } from "../../core/statuses.js";
import { AppError, conflict, invalidFields, notFound } from "../../errors/app-error.js";
import type { AuditLog } from "../audit/audit-log.js";
import type { SafeEvaluator } from "../evaluation-types.js";
import type { ApprovalDecision, RunCommands } from "../runs/run-commands.js";
import type { Engine } from "./engine.js";
import type { OutcomeFollower } from "./follow-outcome.js";

/** The dependencies of deciding approvals. */
export interface DecideApprovalDeps {
  readonly knex: Knex;
  readonly engine: Engine;
  readonly evaluator: SafeEvaluator;
  readonly audit: AuditLog;
  readonly followOutcome: OutcomeFollower;
}

interface WaitingRow {
  readonly step_index: number;
  readonly item_index: number;
  readonly status: StepStatus;
  readonly approval: ApprovalState | null;
}

interface RunRow {
  readonly workflow_version_id: string;
  readonly created_by: string | null;
}

/** Approves and rejects waiting approvals: see `RunCommands.decide`. */
export function createApprovalDecider(deps: DecideApprovalDeps): RunCommands["decide"] {
  const { knex, engine } = deps;

  return async function decide(runId, stepId, given, actor, origin) {
    const run: RunRow | undefined = await knex("workflow_runs")
      .first("workflow_version_id", "created_by")
      .where("id", runId);
    if (!run) throw notFound("Run");
    const { userId } = actor;
    if (userId === null) throw new AppError("FORBIDDEN", "only a person decides an approval");
    const row = await findApproval(knex, runId, stepId, given.itemIndex);
    const { approval } = row;
    if (!approval || row.status !== "waiting") throw conflict(`the step does not wait: it is ${row.status}`);
    await assertMayDecide(knex, approval, run, actor);
    await assertValuesFit(deps.evaluator, approval, given);
    const versionId = run.workflow_version_id;
    const { step_index: stepIndex, item_index: itemIndex } = row;
    const decision = await toFact(knex, given, userId, actor.name);
    const outcome = await engine.commit.apply(
      runId,
      versionId,
      { kind: "decide", stepIndex, itemIndex, decision },
      undefined,
      toAuditEntry(runId, stepId, itemIndex, given, actor, origin),
    );
    if (outcome.refusal?.reason === "decided") throw conflict("this person has decided already");
    if (outcome.refusal) throw conflict("the step does not wait any more");
    await deps.followOutcome(runId, versionId, outcome);
  };
}

/** The step's approval; of a `forEach` the item that is asked for, or else the first that waits. */
async function findApproval(
  knex: Knex,
  runId: string,
  stepId: string,
  itemIndex: number | undefined,
): Promise<WaitingRow> {
  const query = knex("step_runs")
    .first("step_index", "item_index", "status", "approval")
    .where({ run_id: runId, step_id: stepId })
    .orderByRaw("(status = 'waiting') DESC, item_index");
  if (itemIndex !== undefined) void query.where("item_index", itemIndex);
  const row: WaitingRow | undefined = await query;
  if (!row) throw notFound("Step");
  return row;
}

async function assertMayDecide(
  knex: Knex,
  approval: ApprovalState,
  run: RunRow,
  { userId, role }: Actor,
): Promise<void> {
  if (!approval.allowSelfApproval && run.created_by === userId)
    throw new AppError("FORBIDDEN", "whoever started the run may not decide this approval");
  const person = await knex("users").first("email").where("id", userId);
  if (!person || !isApprover(approval, { role, email: person.email }))
    throw new AppError("FORBIDDEN", "is none of this approval's approvers");
}

async function assertValuesFit(
  evaluator: SafeEvaluator,
  { form }: ApprovalState,
  { decision, values }: ApprovalDecision,
): Promise<void> {
  if (decision === "reject") return;
  if (form === undefined) {
    if (values === undefined || Object.keys(values).length === 0) return;
    throw invalidFields([{ path: "/values", message: "the approval has no form" }]);
  }
  const faults = await evaluator.validate(form, values ?? {});
  if (faults.length > 0)
    throw invalidFields(faults.map(({ path, message }) => ({ path: `/values${path}`, message })));
}

/** The time is the database's, as all times of a run are. */
async function toFact(knex: Knex, given: ApprovalDecision, userId: string, name: string) {
  const { rows } = await knex.raw<{ rows: { at: Date }[] }>("SELECT now() AS at");
  const { decision, comment, values } = given;
  return {
    decision,
    userId,
    name,
    at: (rows[0]?.at ?? new Date()).toISOString(),
    ...(comment === undefined ? {} : { comment }),
    ...(values === undefined || decision === "reject" ? {} : { values }),
  };
}

function toAuditEntry(
  runId: string,
  stepId: string,
  itemIndex: number,
  { decision, comment, values }: ApprovalDecision,
  actor: Actor,
  origin: RequestOrigin,
) {
  const item = itemIndex < 0 ? {} : { itemIndex };
  const after = { stepId, ...item, decision, comment, values };
  return { actor, origin, action: `run.${decision}`, entityType: "workflow_run", entityId: runId, after };
}
