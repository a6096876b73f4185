import type { UpdateSchedule } from "../../contracts/api/schedules.js";
import { nextDueTimes } from "../../core/due-times.js";
import { type ScheduleModel, timingOf } from "../../models/schedule-model.js";

/** The columns that say when a schedule is due. */
export type TimingColumns = Pick<ScheduleModel, "cron" | "everySeconds" | "anchorAt" | "timezone">;

/** A schedule that rests: nothing is due, nothing waits, and a firing under way has no say in it any more. */
export const PAUSED = {
  enabled: false,
  nextDueAt: null,
  waitingDueAt: null,
  leaseToken: null,
  leaseUntil: null,
} as const;

/**
 * The timing that a request asks for, over the stored one: `cron` takes the place of `everySeconds` and the other
 * way round. The steps of a new `everySeconds` begin now.
 */
export function toTiming(
  body: Pick<UpdateSchedule, "cron" | "everySeconds" | "timezone">,
  now: Date,
  before?: TimingColumns,
): TimingColumns {
  const timezone = body.timezone ?? before?.timezone ?? "UTC";
  const stored = { anchorAt: before?.anchorAt ?? now, timezone };
  if (body.cron != null) return { ...stored, cron: body.cron, everySeconds: null };
  if (body.everySeconds != null && body.everySeconds !== before?.everySeconds)
    return { timezone, anchorAt: now, cron: null, everySeconds: body.everySeconds };
  return { ...stored, cron: before?.cron ?? null, everySeconds: before?.everySeconds ?? null };
}

/** The first due time after a moment; null when there is none. */
export function firstDueAt(timing: TimingColumns, now: Date): Date | null {
  return nextDueTimes(timingOf(timing), now, 1)[0] ?? null;
}
