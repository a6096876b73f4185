import { BaseModel } from "./base-model.js";

/** A row of `artifacts`: the name and kind of bytes that lie on disk under their SHA-256. */
export class ArtifactModel extends BaseModel {
  static override tableName = "artifacts";

  declare id: string;
  declare runId: string;
  declare stepIndex: number;
  declare itemIndex: number;
  declare attempt: number;
  /** `file`: left by user code; `output`: an output too large for its row. */
  declare kind: "file" | "output";
  /** May hold folders: `charts/a.svg`. */
  declare name: string;
  declare contentType: string;
  declare sizeBytes: number;
  /** Lower-case hex. */
  declare sha256: string;
  declare createdAt: Date;
}
