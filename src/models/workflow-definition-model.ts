import { BaseModel } from "./base-model.js";

/** A workflow: its name and which of its versions is the newest and which is published. */
export class WorkflowDefinitionModel extends BaseModel {
  static override tableName = "workflow_definitions";

  declare id: string;
  declare name: string;
  declare description: string;
  declare tags: string[];
  declare latestVersion: number;
  declare publishedVersion: number | null;
  /** Since when new runs are held; null: they are not. */
  declare pausedAt: Date | null;
  declare revision: number;
  declare createdBy: string | null;
  declare createdAt: Date;
  declare updatedAt: Date;
}
