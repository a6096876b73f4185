import { createHash } from "node:crypto";
import type { Knex } from "knex";
import type { Actor, RequestOrigin } from "../../core/actor.js";
import { newId } from "../../core/ids.js";
import type { JsonValue } from "../../core/json.js";
import { isRunTerminal, type RunStatus } from "../../core/statuses.js";
import { conflict, invalidFields, notFound, toError } from "../../errors/app-error.js";
import type { Logger } from "../../observability/logger.js";
import type { RunQueue } from "../../queues/run-queue.js";
import type { AuditLog } from "../audit/audit-log.js";
import type { SafeEvaluator } from "../evaluation-types.js";
import type { RunCommands, StartRun } from "../runs/run-commands.js";
import type { Admission } from "./admission.js";
import { createApprovalDecider } from "./decide-approval.js";
import type { Engine } from "./engine.js";
import type { NewRun } from "./flush-batch.js";
import type { OutcomeFollower } from "./follow-outcome.js";
import { reserveRunId } from "./idempotency.js";
import { createRerunner } from "./rerun-run.js";

/** A workflow version that a run can be started from. */
export interface RunnableVersion {
  readonly workflowId: string | null;
  readonly versionId: string;
  readonly name: string;
  readonly version: number;
  /** JSON Schema of the input, if the workflow has one. */
  readonly inputSchema?: JsonValue | null;
  /** New runs of the workflow are held. */
  readonly isPaused?: boolean;
}

/** The dependencies of the run commands. */
export interface RunCommandDeps {
  readonly knex: Knex;
  readonly engine: Engine;
  readonly admission: Admission;
  readonly followOutcome: OutcomeFollower;
  readonly runQueue: RunQueue;
  readonly evaluator: SafeEvaluator;
  readonly audit: AuditLog;
  readonly logger: Logger;
  readonly versions: {
    /** @throws AppError when there is no such workflow or version, or it may not be run by this actor. */
    resolveForRun(workflow: string, version: number | undefined, actor: Actor): Promise<RunnableVersion>;
    /** @throws AppError NOT_FOUND */
    ensureTestVersion(mcpVersionId: string): Promise<RunnableVersion>;
  };
}

/** Most waiting jobs that a cancel takes off the queue; the rest are refused when a worker claims them. */
const MOST_REMOVED = 1000;

/** Starts and cancels runs. */
export function createRunCommands(deps: RunCommandDeps): RunCommands {
  const { knex, engine, admission } = deps;

  async function createReserved(command: StartRun, version: RunnableVersion, run: NewRun, actor: Actor) {
    const key = {
      owner: actor.apiKeyId ?? actor.userId ?? actor.name,
      workflowId: version.workflowId ?? version.versionId,
      key: command.idempotencyKey ?? "",
      bodyHash: command.bodyHash ?? hashOf(command),
    };
    const reserved = await reserveRunId(knex, key, run.id);
    if (!reserved.isNew && (await exists(knex, reserved.runId)))
      return { runId: reserved.runId, replayed: true };
    try {
      await admission.create(withId(run, reserved.runId), version.isPaused ?? false);
      return { runId: reserved.runId, replayed: false };
    } catch (error) {
      // two calls at once took the same key: the other one created the run
      if ((error as { code?: string }).code === "23505") return { runId: reserved.runId, replayed: true };
      throw toError(error);
    }
  }

  return {
    async start(command, actor, origin) {
      const version = await deps.versions.resolveForRun(command.workflow, command.version, actor);
      const input = command.input ?? {};
      // null is judged as it was given, and stored as nothing at all
      await checkInput(deps, version, command.input === undefined ? input : command.input);
      const run = withEntry(toNewRun(command, version, input, actor), command.askedBy ?? { actor, origin });
      if (command.idempotencyKey !== undefined) return await createReserved(command, version, run, actor);
      await admission.create(run, version.isPaused ?? false);
      return { runId: run.id, replayed: false };
    },

    async startTest(mcpVersionId, inputs, actor, origin) {
      const version = await deps.versions.ensureTestVersion(mcpVersionId);
      await checkInput(deps, version, inputs);
      const made = toNewRun({ workflow: version.name, trigger: "test" }, version, inputs, actor);
      const run = withEntry(made, { actor, origin });
      await engine.commit.create(run);
      return { runId: run.id };
    },

    async cancel(runId, actor, origin) {
      const run = await knex("workflow_runs").first("id", "status", "workflow_version_id").where("id", runId);
      if (!run) throw notFound("Run");
      if (isRunTerminal(run.status as RunStatus)) throw conflict(`the run has ${run.status}`);
      const waiting = await queuedJobs(knex, runId, run.workflow_version_id);
      const outcome = await engine.commit.apply(
        runId,
        run.workflow_version_id,
        { kind: "cancel" },
        undefined,
        cancelEntry(runId, actor, origin),
      );
      if (outcome.refusal) throw conflict("the run has ended");
      deps.runQueue
        .removeSteps(waiting)
        .catch((error: unknown) => deps.logger.warn({ err: error, runId }, "jobs left on the queue"));
    },

    rerun: createRerunner({ ...deps, plans: engine.plans }),
    decide: createApprovalDecider(deps),
  };
}

async function checkInput(
  { evaluator }: Pick<RunCommandDeps, "evaluator">,
  version: RunnableVersion,
  input: JsonValue,
): Promise<void> {
  if (version.inputSchema === undefined || version.inputSchema === null) return;
  const faults = await evaluator.validate(version.inputSchema, input);
  if (faults.length > 0)
    throw invalidFields(faults.map(({ path, message }) => ({ path: `/input${path}`, message })));
}

async function exists(knex: Knex, runId: string): Promise<boolean> {
  return (await knex("workflow_runs").first("id").where("id", runId)) !== undefined;
}

function cancelEntry(runId: string, actor: Actor, origin: RequestOrigin) {
  return { actor, origin, action: "run.cancel", entityType: "workflow_run", entityId: runId };
}

/** What a person starts is in the audit log; of what runs start by themselves, the run itself says why. */
function withEntry(
  run: NewRun,
  { actor, origin }: { readonly actor: Actor; readonly origin: RequestOrigin },
): NewRun {
  if (actor.type === "system") return run;
  const { id, workflowName: workflow, workflowVersion: version, trigger } = run;
  const about = { action: "run.start", entityType: "workflow_run", entityId: id };
  return { ...run, entry: { actor, origin, ...about, after: { workflow, version, trigger } } };
}

function withId(run: NewRun, id: string): NewRun {
  return { ...run, id, ...(run.entry && { entry: { ...run.entry, entityId: id } }) };
}

async function queuedJobs(knex: Knex, runId: string, versionId: string) {
  const rows = await knex("step_runs")
    .select("step_index", "item_index", "step_id", "attempt", "worker_group")
    .where({ run_id: runId, status: "queued" })
    .limit(MOST_REMOVED);
  return rows.map((row) => ({
    job: {
      runId,
      versionId,
      stepIndex: row.step_index as number,
      stepId: row.step_id as string,
      itemIndex: row.item_index as number,
      attempt: row.attempt as number,
    },
    workerGroup: row.worker_group as string,
  }));
}

function toNewRun(command: StartRun, version: RunnableVersion, input: JsonValue, actor: Actor): NewRun {
  return {
    id: newId(),
    workflowId: version.workflowId,
    versionId: version.versionId,
    workflowName: version.name,
    workflowVersion: version.version,
    trigger: command.trigger,
    input,
    labels: command.labels ?? {},
    priority: command.priority ?? 0,
    delayMs: (command.delaySeconds ?? 0) * 1000,
    createdBy: actor.userId,
    createdByName: actor.name,
    ...(command.schedule === undefined ? {} : { schedule: command.schedule }),
  };
}

function hashOf(command: StartRun): string {
  const { workflow, version, input, priority, delaySeconds, labels } = command;
  return createHash("sha256")
    .update(JSON.stringify([workflow, version, input, priority, delaySeconds, labels]))
    .digest("hex");
}
