import { AppError } from "../errors/app-error.js";
import { createEnqueuer } from "./enqueue-runs.js";
import { countAllJobs, findMissingSteps, removeWaitingSteps } from "./job-lookups.js";
import type { QueueBackend } from "./queue-connections.js";
import type { RunQueue } from "./run-queue.js";
import { removeStrandedRuns } from "./stranded-runs.js";
import { withTimeLimit } from "./time-limit.js";

const ENQUEUE_LIMIT_MS = 5000;
const LOOK_LIMIT_MS = 20_000;
const STRANDED_AFTER_MS = 60_000;

/** Puts runs on BullMQ: one flow for each, whose children join as their steps become ready (ADR 0002). */
export function createRunQueue(backend: QueueBackend): RunQueue {
  const enqueue = createEnqueuer(backend);

  /** Sends nothing to a server that is away: it would pile up in memory. */
  async function within<T>(limitMs: number, what: string, work: () => Promise<T>): Promise<T> {
    const startedAt = Date.now();
    await backend.whenReachable(limitMs);
    try {
      return await withTimeLimit(work(), Math.max(1, limitMs - (Date.now() - startedAt)), what);
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw new AppError("NOT_READY", `${what} failed: the queue's server did not do it`, { cause: error });
    }
  }

  return {
    enqueueRuns: (dispatches, timeoutMs = ENQUEUE_LIMIT_MS) =>
      within(timeoutMs, "Enqueueing", () => enqueue(dispatches)),
    findMissing: (jobs) => within(LOOK_LIMIT_MS, "Looking jobs up", () => findMissingSteps(backend, jobs)),
    removeSteps: (jobs) => within(LOOK_LIMIT_MS, "Removing jobs", () => removeWaitingSteps(backend, jobs)),
    countJobs: () => within(ENQUEUE_LIMIT_MS, "Counting jobs", () => countAllJobs(backend)),
    removeStrandedRuns: (olderThanMs = STRANDED_AFTER_MS) =>
      within(LOOK_LIMIT_MS, "Looking runs up", () => removeStrandedRuns(backend, olderThanMs)),
  };
}
