import type { JsonValue } from "../core/json.js";
import type { RunError, StepStatus } from "../core/statuses.js";
import { BaseModel } from "./base-model.js";

/** A row of `step_runs`: one step of one run, in its newest attempt. No `jsonAttributes`: see WorkflowRunModel. */
export class StepRunModel extends BaseModel {
  static override tableName = "step_runs";
  static override idColumn = ["run_id", "step_index", "item_index"];

  declare runId: string;
  declare stepIndex: number;
  /** -1 for a step without `forEach`. */
  declare itemIndex: number;
  declare id: string;
  declare stepId: string;
  declare status: StepStatus;
  declare attempt: number;
  declare lostCount: number;
  declare leaseToken: string | null;
  declare workerId: string | null;
  declare workerGroup: string;
  declare priority: number;
  declare queueTimeoutSeconds: number | null;
  declare queuedAt: Date | null;
  declare availableAt: Date | null;
  declare checkedAt: Date | null;
  declare startedAt: Date | null;
  declare finishedAt: Date | null;
  declare inputs: JsonValue | null;
  declare output: JsonValue | null;
  declare outputArtifactId: string | null;
  declare error: RunError | null;
  declare waitingFor: JsonValue | null;
  declare cacheHit: boolean;
  declare sandboxLevel: string | null;
}
