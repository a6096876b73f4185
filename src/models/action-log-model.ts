import type { JsonValue } from "../core/json.js";
import { BaseModel } from "./base-model.js";

/** How an audited attempt ended. */
export type ActionOutcome = "succeeded" | "denied" | "failed";

/** One link of the audit chain. The table is append-only. */
export class ActionLogModel extends BaseModel {
  static override tableName = "action_logs";
  static override idColumn = "seq";

  declare seq: number;
  declare id: string;
  declare at: Date;
  declare actorType: string;
  declare actorId: string | null;
  declare actorName: string;
  declare action: string;
  declare outcome: ActionOutcome;
  declare entityType: string | null;
  declare entityId: string | null;
  declare requestId: string | null;
  declare address: string | null;
  declare before: JsonValue;
  declare after: JsonValue;
  declare previousHash: Buffer;
  declare hash: Buffer;

  static override get jsonAttributes(): string[] {
    return ["before", "after"];
  }
}
