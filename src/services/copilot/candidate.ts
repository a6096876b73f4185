import type {
  Estimate,
  Evidence,
  PatchOperation,
  PatchTarget,
  Suggestion,
} from "../../contracts/api/copilot.js";
import type { JsonObject } from "../../core/json.js";

/** A suggestion before its patch, definition and configuration were checked. */
export interface Candidate {
  readonly kind: string;
  readonly title: string;
  readonly detail: string;
  readonly severity: Suggestion["severity"];
  readonly patch?: readonly PatchOperation[];
  /** Absent: what the request is about. */
  readonly target?: PatchTarget;
  readonly code?: string;
  readonly definition?: JsonObject;
  readonly config?: JsonObject;
  readonly call?: { readonly method: string; readonly path: string; readonly body: unknown };
  readonly evidence?: Evidence;
  readonly estimate?: Estimate;
  /** What to say when the patch turns out not to be valid; absent: the finding is worth nothing without it. */
  readonly withoutPatch?: string;
}
