import type { JsonObject, JsonValue } from "../core/json.js";
import type { RunError, RunStatus, RunTrigger } from "../core/statuses.js";
import { BaseModel } from "./base-model.js";

/**
 * A row of `workflow_runs`. No `jsonAttributes` on purpose: Objection would parse a jsonb string that looks
 * like JSON a second time (the output `"123"` would come back as the number 123), and `pg` has parsed it already.
 * Whoever writes these columns through the model hands over JSON text.
 */
export class WorkflowRunModel extends BaseModel {
  static override tableName = "workflow_runs";

  declare id: string;
  declare workflowId: string | null;
  declare workflowVersionId: string;
  declare workflowName: string;
  declare workflowVersion: number;
  declare status: RunStatus;
  declare trigger: RunTrigger;
  declare input: JsonValue;
  declare output: JsonValue | null;
  declare outputArtifactId: string | null;
  declare error: RunError | null;
  declare labels: JsonObject;
  declare priority: number;
  declare createdBy: string | null;
  declare createdByName: string;
  declare parentRunId: string | null;
  declare replayOf: string | null;
  declare createdAt: Date;
  declare availableAt: Date;
  declare startedAt: Date | null;
  declare finishedAt: Date | null;
  declare deadlineAt: Date | null;
  declare lastSeq: number;
  declare stepStates: string;
  declare flow: number;
}
