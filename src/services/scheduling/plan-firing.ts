import { type CatchUp, MOST_FIRINGS } from "../../contracts/api/schedules.js";
import { newestDueTimes, nextDueTimes, type ScheduleTiming } from "../../core/due-times.js";

/**
 * Due times that are late by more than this were missed. It is longer than it takes others to notice that a scheduler
 * has died, so that a due time is only missed when none was there.
 */
const MISSED_AFTER_MS = 30_000;

/** What is known of a schedule when its turn has come. */
export interface DueSchedule {
  readonly timing: ScheduleTiming;
  /** The first due time that has not been dealt with. */
  readonly nextDueAt: Date;
  readonly catchUp: CatchUp;
}

/** What to do about the due times that are past. */
export interface FiringPlan {
  /** To be fired, in order. */
  readonly dueTimes: readonly Date[];
  /** The newest due time that is left out because it was missed. */
  readonly missedAt?: Date;
  /** The first due time in the future; null when there is none. */
  readonly nextDueAt: Date | null;
}

/**
 * What to fire at a moment. If the oldest due time is late by more than {@link MISSED_AFTER_MS}, nobody was there to
 * fire it, and `catchUp` decides on all that are past: none, the newest, or the newest thousand. Otherwise all are
 * fired.
 */
export function planFiring({ timing, nextDueAt, catchUp }: DueSchedule, now: Date): FiringPlan {
  if (nextDueAt > now) return { dueTimes: [], nextDueAt };
  const [future = null] = nextDueTimes(timing, now, 1);
  const isMissed = now.getTime() - nextDueAt.getTime() > MISSED_AFTER_MS;
  const most = isMissed && catchUp !== "all" ? 2 : MOST_FIRINGS;
  // the stored due time counts, also when it is none of the present timing
  const { times, hasMore } = newestDueTimes(timing, nextDueAt, now, most);
  const past = hasMore || times.length >= most ? [...times] : [nextDueAt, ...times];
  if (!isMissed || catchUp === "all") {
    return { dueTimes: past, nextDueAt: future, ...(past[0] === nextDueAt ? {} : { missedAt: nextDueAt }) };
  }
  const newest = past.at(-1) ?? nextDueAt;
  if (catchUp === "none") return { dueTimes: [], missedAt: newest, nextDueAt: future };
  const missedAt = past.at(-2);
  return { dueTimes: [newest], nextDueAt: future, ...(missedAt ? { missedAt } : {}) };
}
