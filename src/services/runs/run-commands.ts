import type { Actor, RequestOrigin } from "../../core/actor.js";
import type { JsonObject, JsonValue } from "../../core/json.js";
import type { RunTrigger } from "../../core/statuses.js";

/** What it takes to start a run, validated as to shape. */
export interface StartRun {
  /** Name or id of a workflow. */
  readonly workflow: string;
  /** Default: the published version. */
  readonly version?: number | undefined;
  /** Default: `{}`. */
  readonly input?: JsonValue | undefined;
  readonly priority?: number | undefined;
  readonly delaySeconds?: number | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Belongs to the caller and the workflow, and lives 24 hours. */
  readonly idempotencyKey?: string | undefined;
  readonly trigger: RunTrigger;
  /** Hash of the request's body: the same key with another hash is refused. */
  readonly bodyHash?: string | undefined;
  /** The schedule and the due time that start it. */
  readonly schedule?: { readonly id: string; readonly dueAt: Date } | undefined;
  /** Who has asked for what the system starts: a person who backfills a schedule. For the audit log. */
  readonly askedBy?: { readonly actor: Actor; readonly origin: RequestOrigin } | undefined;
}

/** What a rerun is made of. */
export interface RerunRun {
  /** Default: `failed`. `start` reuses nothing; a step id runs that step and all that follows it again. */
  readonly from?: string | undefined;
  /** Default: the version of the old run. What another version has changed is run again. */
  readonly version?: number | undefined;
  /** Default: the input of the old run. Another input is only possible from the start. */
  readonly input?: JsonValue | undefined;
  /** An id reserved for the new run: asking again with the same one never makes a second run. */
  readonly newRunId?: string | undefined;
}

/** What a person says to a waiting approval. */
export interface ApprovalDecision {
  readonly decision: "approve" | "reject";
  readonly comment?: string | undefined;
  /** Form values, by the approval's own JSON Schema. */
  readonly values?: JsonObject | undefined;
  /** Which item of a `forEach`; default: the first that waits. */
  readonly itemIndex?: number | undefined;
}

/** A run that was started, or that the same key had started before. */
export interface StartedRun {
  readonly runId: string;
  readonly replayed: boolean;
}

/** Changes to runs; the engine has the implementation. */
export interface RunCommands {
  /**
   * Starts a run, or finds the one that the same idempotency key has started.
   * @throws AppError NOT_FOUND for an unknown workflow or version; INVALID_FIELDS when the input does not fit
   * the workflow's schema, or the key was used with another body.
   */
  start(command: StartRun, actor: Actor, origin: RequestOrigin): Promise<StartedRun>;
  /**
   * Starts a run of one step over an MCP version.
   * @throws AppError NOT_FOUND; INVALID_FIELDS when the inputs do not fit the version's schema.
   */
  startTest(
    mcpVersionId: string,
    inputs: JsonObject,
    actor: Actor,
    origin: RequestOrigin,
  ): Promise<{ readonly runId: string }>;
  /** Cancels a run. @throws AppError NOT_FOUND; CONFLICT when it has ended. */
  cancel(runId: string, actor: Actor, origin: RequestOrigin): Promise<void>;
  /**
   * Starts a new run (`replayOf`) of an ended one; what succeeded before is reused as far as `from` allows.
   * @throws AppError NOT_FOUND; CONFLICT while the old run goes on; INVALID_FIELDS for an unknown step or version,
   * or an input that does not fit.
   */
  rerun(
    runId: string,
    rerun: RerunRun,
    actor: Actor,
    origin: RequestOrigin,
  ): Promise<{ readonly runId: string }>;
  /**
   * Approves or rejects a waiting approval.
   * @throws AppError NOT_FOUND; FORBIDDEN when this actor is none of its approvers; CONFLICT when nothing waits, or
   * this actor has decided already; INVALID_FIELDS when the values do not fit the form.
   */
  decide(
    runId: string,
    stepId: string,
    decision: ApprovalDecision,
    actor: Actor,
    origin: RequestOrigin,
  ): Promise<void>;
}
