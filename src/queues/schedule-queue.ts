import type { JobSchedulerJson } from "bullmq";
import { type ScheduleJob, scheduleJobSchema } from "../contracts/schedule-job.js";
import type { QueueBackend } from "./queue-connections.js";
import { SCHEDULES_QUEUE } from "./queue-names.js";
import { callServer } from "./reachable-call.js";

/** When a job scheduler is to make jobs. */
export interface ScheduleHint {
  readonly scheduleId: string;
  /** By a cron expression in a time zone, or every so many seconds from the next due time on. */
  readonly timing:
    | { readonly cron: string; readonly timezone: string }
    | { readonly everySeconds: number; readonly nextDueAt: Date };
  /** Tells whether a job scheduler was made from the same timing. */
  readonly fingerprint: string;
}

/** A job scheduler as the queue has it. */
export interface KnownHint {
  readonly scheduleId: string;
  /** Undefined when another program has made it. */
  readonly fingerprint: string | undefined;
  /** Milliseconds that its next job is overdue; its chain of jobs has broken when there are many. */
  readonly overdueMs: number;
}

/** BullMQ's job schedulers for schedules: hints that make firing punctual, and may be lost at any moment. */
export interface ScheduleQueue {
  /** Makes a job scheduler, in place of the one that the schedule may have. @throws AppError NOT_READY */
  put(hint: ScheduleHint): Promise<void>;
  /** @throws AppError NOT_READY */
  remove(scheduleId: string): Promise<void>;
  /** @throws AppError NOT_READY */
  count(): Promise<number>;
  /** All of them, in pages. @throws AppError NOT_READY */
  list(): Promise<KnownHint[]>;
}

const CALL_LIMIT_MS = 5000;
const PAGE = 500;
const JOB_OPTIONS = { removeOnComplete: true, removeOnFail: true };

/** Opens the job schedulers on the process's shared connection. */
export function openScheduleQueue(backend: QueueBackend): ScheduleQueue {
  const queue = backend.queue(SCHEDULES_QUEUE);
  const call = async <T>(what: string, work: () => Promise<T>): Promise<T> =>
    await callServer(backend, CALL_LIMIT_MS, what, work);
  return {
    async put({ scheduleId, timing, fingerprint }) {
      const data: ScheduleJob = { scheduleId, timing: fingerprint };
      await call("Making a job scheduler", async () => {
        // an upsert would keep the phase of the old one
        await queue.removeJobScheduler(scheduleId);
        await queue.upsertJobScheduler(scheduleId, toRepeat(timing), {
          name: "schedule",
          data,
          opts: JOB_OPTIONS,
        });
      });
    },
    async remove(scheduleId) {
      await call("Removing a job scheduler", async () => await queue.removeJobScheduler(scheduleId));
    },
    count: async () => await call("Counting job schedulers", async () => await queue.getJobSchedulersCount()),
    async list() {
      const known: KnownHint[] = [];
      for (let start = 0; ; start += PAGE) {
        const page = await call(
          "Listing job schedulers",
          async () => await queue.getJobSchedulers(start, start + PAGE - 1, true),
        );
        known.push(...page.map(toKnownHint));
        if (page.length < PAGE) return known;
      }
    },
  };
}

function toRepeat(timing: ScheduleHint["timing"]) {
  return "cron" in timing
    ? { pattern: timing.cron, tz: timing.timezone }
    : { every: timing.everySeconds * 1000, startDate: timing.nextDueAt };
}

function toKnownHint({ key, next, template }: JobSchedulerJson): KnownHint {
  const parsed = scheduleJobSchema.safeParse(template?.data);
  return {
    scheduleId: key,
    fingerprint: parsed.success ? parsed.data.timing : undefined,
    overdueMs: next === undefined ? 0 : Date.now() - next,
  };
}
