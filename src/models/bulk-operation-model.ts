import type { JsonValue } from "../core/json.js";
import type { Actor, RequestOrigin } from "../core/actor.js";
import { BaseModel } from "./base-model.js";

/** A row of `bulk_operations`: one action on many runs. */
export class BulkOperationModel extends BaseModel {
  static override tableName = "bulk_operations";

  static override get jsonAttributes(): string[] {
    return ["filter", "errors", "actor", "origin"];
  }

  declare id: string;
  declare action: "cancel" | "rerun" | "replay";
  declare filter: JsonValue;
  declare rerunFrom: string | null;
  declare ratePerSecond: number;
  declare status: "queued" | "running" | "succeeded" | "failed" | "canceled";
  declare total: number;
  declare succeeded: number;
  declare failed: number;
  declare skipped: number;
  declare errors: { runId: string; message: string }[];
  declare actor: Actor;
  declare origin: RequestOrigin;
  declare createdAt: Date;
  declare startedAt: Date | null;
  declare finishedAt: Date | null;
}
