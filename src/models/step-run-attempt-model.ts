import type { RunError, StepStatus } from "../core/statuses.js";
import { BaseModel } from "./base-model.js";

/** A row of `step_attempts`: an attempt that ended and was followed by another. */
export class StepRunAttemptModel extends BaseModel {
  static override tableName = "step_attempts";
  static override idColumn = ["run_id", "step_index", "item_index", "attempt"];

  declare runId: string;
  declare stepIndex: number;
  declare itemIndex: number;
  declare attempt: number;
  declare status: StepStatus;
  declare workerId: string | null;
  declare queuedAt: Date | null;
  declare startedAt: Date | null;
  declare finishedAt: Date;
  declare error: RunError | null;
}
