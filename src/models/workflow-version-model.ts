import type { JsonObject } from "../core/json.js";
import type { RunPlan } from "../core/plan.js";
import { BaseModel } from "./base-model.js";

/** One immutable version of a workflow, as written and as compiled. */
export class WorkflowVersionModel extends BaseModel {
  static override tableName = "workflow_versions";

  declare id: string;
  /** Null for the version behind test runs of a component, and after the workflow was deleted. */
  declare workflowDefinitionId: string | null;
  declare testedMcpVersionId: string | null;
  declare name: string;
  declare version: number;
  /** As its author wrote it, without defaults. */
  declare definition: JsonObject;
  declare plan: RunPlan;
  declare createdBy: string | null;
  declare createdAt: Date;
  /** Null for a draft. */
  declare publishedAt: Date | null;
}
