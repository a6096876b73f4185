import type { Actor, RequestOrigin } from "../../core/actor.js";
import type { ActionOutcome } from "../../models/action-log-model.js";

/** What happened, as a service reports it. */
export interface AuditEntry {
  readonly actor: Actor;
  /** Null for what Headrace does by itself. */
  readonly origin: RequestOrigin | null;
  /** `noun.verb`, in the words of the API: `workflow.publish`, `user.create`. */
  readonly action: string;
  readonly entityType?: string;
  readonly entityId?: string;
  /** The entity's state; secrets are removed by member name before it is stored. */
  readonly before?: unknown;
  readonly after?: unknown;
  /** Default: `succeeded`. */
  readonly outcome?: ActionOutcome;
}
