import { createEnqueuer } from "./enqueue-runs.js";
import { countAllJobs, findMissingSteps, hastenSteps, removeWaitingSteps } from "./job-lookups.js";
import type { QueueBackend } from "./queue-connections.js";
import { callServer } from "./reachable-call.js";
import type { RunQueue } from "./run-queue.js";
import { removeStrandedRuns } from "./stranded-runs.js";

const ENQUEUE_LIMIT_MS = 5000;
const LOOK_LIMIT_MS = 20_000;
const STRANDED_AFTER_MS = 60_000;

/** Puts runs on BullMQ: one flow for each, whose children join as their steps become ready (ADR 0002). */
export function createRunQueue(backend: QueueBackend): RunQueue {
  const enqueue = createEnqueuer(backend);

  const within = async <T>(limitMs: number, what: string, work: () => Promise<T>): Promise<T> =>
    await callServer(backend, limitMs, what, work);

  return {
    enqueueRuns: (dispatches, timeoutMs = ENQUEUE_LIMIT_MS) =>
      within(timeoutMs, "Enqueueing", () => enqueue(dispatches)),
    findMissing: (jobs) => within(LOOK_LIMIT_MS, "Looking jobs up", () => findMissingSteps(backend, jobs)),
    removeSteps: (jobs) => within(LOOK_LIMIT_MS, "Removing jobs", () => removeWaitingSteps(backend, jobs)),
    hasten: (jobs, to) => within(LOOK_LIMIT_MS, "Moving jobs", () => hastenSteps(backend, jobs, to)),
    countJobs: () => within(ENQUEUE_LIMIT_MS, "Counting jobs", () => countAllJobs(backend)),
    removeStrandedRuns: (olderThanMs = STRANDED_AFTER_MS) =>
      within(LOOK_LIMIT_MS, "Looking runs up", () => removeStrandedRuns(backend, olderThanMs)),
  };
}
