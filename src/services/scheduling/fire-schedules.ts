import { setTimeout as sleep } from "node:timers/promises";
import { newId } from "../../core/ids.js";
import { AppError, toError } from "../../errors/app-error.js";
import { type ScheduleModel, timingOf } from "../../models/schedule-model.js";
import type { Logger } from "../../observability/logger.js";
import {
  type ClaimedSchedule,
  claimSchedule,
  claimSchedules,
  type FiringProgress,
  hasLiveRun,
  postponeClaim,
  readMsUntilDue,
  saveProgress,
} from "./firing-claims.js";
import { type FiringPlan, planFiring } from "./plan-firing.js";
import { type DueRunDeps, findDueRuns, startDueRun } from "./start-due-run.js";

/** Starts the runs of schedules that are due. Any number of processes may do so at once. */
export interface ScheduleFiring {
  /** Fires one schedule if it is due, or is about to be. */
  fire(scheduleId: string, signal: AbortSignal): Promise<void>;
  /** Fires all schedules that are due, and those whose held due time may start now. */
  sweep(signal: AbortSignal): Promise<void>;
}

/** The dependencies of the firing. */
export interface ScheduleFiringDeps extends DueRunDeps {
  readonly logger: Logger;
}

/** Due times between two looks at the lease. */
const CHUNK = 20;
/** Schedules that one process fires at the same time. */
const AT_ONCE = 8;
const MOST_ROUNDS = 200;
/** The queue's clock may be so much ahead of the database's. */
const LONGEST_WAIT_MS = 1500;
const OVERLAPPED = "an earlier run had not ended";
const MISSED = "missed: no scheduler was there to fire it";

/** Makes the firing over the database. Its clock alone says what is due. */
export function createScheduleFiring(deps: ScheduleFiringDeps): ScheduleFiring {
  return {
    async fire(scheduleId, signal) {
      const token = newId();
      let claimed = await claimSchedule(deps.knex, token, scheduleId);
      if (!claimed) {
        const waitMs = await readMsUntilDue(deps.knex, scheduleId);
        if (waitMs === undefined || waitMs <= 0 || waitMs > LONGEST_WAIT_MS) return;
        await sleep(waitMs + 1, undefined, { signal });
        claimed = await claimSchedule(deps.knex, token, scheduleId);
      }
      if (claimed) await fireClaimed(deps, claimed, token, signal);
    },
    async sweep(signal) {
      for (let round = 0; round < MOST_ROUNDS && !signal.aborted; round += 1) {
        const token = newId();
        const claimed = await claimSchedules(deps.knex, token, AT_ONCE);
        await Promise.all(claimed.map(async (one) => await fireClaimed(deps, one, token, signal)));
        if (claimed.length < AT_ONCE) return;
      }
    },
  };
}

/** Never throws: one schedule that cannot be fired must not hold up the others. It is tried again a little later. */
async function fireClaimed(
  deps: ScheduleFiringDeps,
  { schedule, now }: ClaimedSchedule,
  token: string,
  signal: AbortSignal,
): Promise<void> {
  const firing = new Firing(deps, schedule, token);
  try {
    await firing.run(now, signal);
  } catch (error) {
    deps.logger.warn({ err: toError(error), scheduleId: schedule.id }, "a schedule could not be fired");
    await postponeClaim(deps.knex, schedule.id, token, firing.progress).catch((cause: unknown) =>
      deps.logger.warn({ err: toError(cause), scheduleId: schedule.id }, "its lease runs out by itself"),
    );
  }
}

/** One process dealing with the due times of one schedule, under a lease. */
class Firing {
  readonly #deps: ScheduleFiringDeps;
  readonly #schedule: ScheduleModel;
  readonly #token: string;
  #progress: FiringProgress;

  constructor(deps: ScheduleFiringDeps, schedule: ScheduleModel, token: string) {
    this.#deps = deps;
    this.#schedule = schedule;
    this.#token = token;
    this.#progress = { nextDueAt: schedule.nextDueAt, waitingDueAt: schedule.waitingDueAt };
  }

  get progress(): FiringProgress {
    return this.#progress;
  }

  async run(now: Date, signal: AbortSignal): Promise<void> {
    await this.#startWaiting();
    const { nextDueAt, catchUp } = this.#schedule;
    if (nextDueAt !== null) {
      const plan = planFiring({ timing: timingOf(this.#schedule), nextDueAt, catchUp }, now);
      if (plan.missedAt) this.#skip(plan.missedAt, MISSED);
      if (!(await this.#fireAll(plan, signal))) return;
    }
    await this.#save(true);
  }

  /** The due time that overlap `queue` holds goes first. */
  async #startWaiting(): Promise<void> {
    const { waitingDueAt } = this.#progress;
    if (waitingDueAt === null || (await hasLiveRun(this.#deps.knex, this.#schedule.id, waitingDueAt))) return;
    await this.#start(waitingDueAt);
    this.#note({ waitingDueAt: null });
  }

  /** @returns false when the schedule was changed meanwhile, or another process has taken it over. */
  async #fireAll({ dueTimes, nextDueAt }: FiringPlan, signal: AbortSignal): Promise<boolean> {
    for (let start = 0; start < dueTimes.length; start += CHUNK) {
      const chunk = dueTimes.slice(start, start + CHUNK);
      const [first] = chunk;
      if (first) this.#note({ nextDueAt: first });
      if (signal.aborted) return true;
      if (start > 0 && !(await this.#save(false))) return false;
      await this.#fireChunk(chunk);
    }
    this.#note({ nextDueAt });
    return true;
  }

  async #fireChunk(dueTimes: readonly Date[]): Promise<void> {
    const known = await findDueRuns(this.#deps.knex, this.#schedule.id, dueTimes);
    for (const dueAt of dueTimes) {
      this.#note({ nextDueAt: dueAt });
      // an earlier try got as far as the run
      const runId = known.get(dueAt.getTime());
      if (runId !== undefined) this.#note({ lastRunId: runId });
      else if (await this.#mayStart(dueAt)) await this.#start(dueAt);
    }
  }

  async #mayStart(dueAt: Date): Promise<boolean> {
    const { overlap, id } = this.#schedule;
    if (overlap === "allow") return true;
    const { waitingDueAt } = this.#progress;
    if (waitingDueAt === null && !(await hasLiveRun(this.#deps.knex, id, dueAt))) return true;
    if (overlap === "queue" && waitingDueAt === null) this.#note({ waitingDueAt: dueAt });
    else this.#skip(dueAt, OVERLAPPED);
    return false;
  }

  /** What a caller of the API would be told is kept with the schedule; what may pass is thrown. */
  async #start(dueAt: Date): Promise<void> {
    try {
      this.#note({ lastRunId: await startDueRun(this.#deps, this.#schedule, dueAt) });
    } catch (error) {
      if (!(error instanceof AppError) || error.entry.status >= 500) throw error;
      this.#deps.logger.warn({ err: error, scheduleId: this.#schedule.id, dueAt }, "a due time was skipped");
      this.#skip(dueAt, toReason(error));
    }
  }

  #skip(dueAt: Date, reason: string): void {
    this.#note({ lastSkippedAt: dueAt, lastSkippedReason: reason });
  }

  #note(change: Partial<FiringProgress>): void {
    this.#progress = { ...this.#progress, ...change };
  }

  async #save(isDone: boolean): Promise<boolean> {
    return await saveProgress(this.#deps.knex, this.#schedule.id, this.#token, this.#progress, isDone);
  }
}

function toReason(error: AppError): string {
  const faults = error.faults.map(({ path, message }) => `${path} ${message}`).join("; ");
  return (faults === "" ? error.detail : faults).slice(0, 1000);
}
