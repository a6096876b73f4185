import type { CatchUp, Overlap } from "../contracts/api/schedules.js";
import type { ScheduleTiming } from "../core/due-times.js";
import type { JsonValue } from "../core/json.js";
import { BaseModel } from "./base-model.js";

/**
 * A schedule and how far it has come. No `jsonAttributes`: whoever writes `input` hands over JSON text, and `pg`
 * parses what it reads.
 */
export class ScheduleModel extends BaseModel {
  static override tableName = "schedules";

  declare id: string;
  declare name: string;
  /** Null once the workflow was deleted. */
  declare workflowId: string | null;
  declare cron: string | null;
  declare everySeconds: number | null;
  /** Due times of `everySeconds` are whole steps from here. */
  declare anchorAt: Date;
  declare timezone: string;
  declare input: JsonValue;
  declare enabled: boolean;
  declare overlap: Overlap;
  declare catchUp: CatchUp;
  /** The first due time that has not been dealt with; null while paused. */
  declare nextDueAt: Date | null;
  /** The due time that waits for an earlier run to end. */
  declare waitingDueAt: Date | null;
  declare leaseToken: string | null;
  declare leaseUntil: Date | null;
  declare lastRunId: string | null;
  declare lastRunAt: Date | null;
  declare lastSkippedAt: Date | null;
  declare lastSkippedReason: string | null;
  declare revision: number;
  declare createdBy: string | null;
  declare createdAt: Date;
  declare updatedAt: Date;
}

/** When a schedule is due. */
export function timingOf(
  row: Pick<ScheduleModel, "cron" | "everySeconds" | "anchorAt" | "timezone">,
): ScheduleTiming {
  return row.cron === null
    ? { everySeconds: row.everySeconds ?? 1, anchorAt: row.anchorAt }
    : { cron: row.cron, timezone: row.timezone };
}
