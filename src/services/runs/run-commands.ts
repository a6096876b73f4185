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
}
