import { ErrorCode } from "bullmq";
import type { StepJob } from "../contracts/step-job.js";
import { groupBy } from "./group-by.js";
import type { BullQueue, QueueBackend } from "./queue-connections.js";
import { stepJobId, stepsQueue } from "./queue-names.js";

const LIVE_STATES = new Set(["waiting", "delayed", "prioritized", "active", "waiting-children"]);

/** A step's job and where it should be. */
export interface QueuedJob {
  readonly job: StepJob;
  readonly workerGroup: string;
}

/**
 * The jobs that the queue no longer holds alive, one look-up for each group. The records of those that ended
 * are removed, since they would make adding the same attempt again a no-op.
 */
export async function findMissingSteps(
  backend: QueueBackend,
  jobs: readonly QueuedJob[],
): Promise<StepJob[]> {
  const missing: StepJob[] = [];
  const groups = groupBy(jobs, (job) => stepsQueue(job.workerGroup));
  for (const [name, group] of groups) {
    const states = await backend.findStates(
      name,
      group.map(({ job }) => stepJobId(job)),
    );
    for (const [index, { job }] of group.entries()) {
      const state = states[index] ?? "unknown";
      if (LIVE_STATES.has(state)) continue;
      missing.push(job);
      // the record of a job that ended would make adding it again a no-op
      if (state !== "unknown") await backend.queue(name).remove(stepJobId(job), { removeChildren: false });
    }
  }
  return missing;
}

/** Removes jobs that wait; those that run are left. Tries all before it rejects with the first failure. */
export async function removeWaitingSteps(backend: QueueBackend, jobs: readonly QueuedJob[]): Promise<void> {
  const removals = jobs.map(({ job, workerGroup }) =>
    backend.queue(stepsQueue(workerGroup)).remove(stepJobId(job), { removeChildren: false }),
  );
  const results = await Promise.allSettled(removals);
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

/**
 * Moves jobs that wait forward: `plain` takes those with a number out of it and puts them behind all plain ones, `head`
 * puts each before everything. What has been taken meanwhile is left.
 */
export async function hastenSteps(
  backend: QueueBackend,
  jobs: readonly QueuedJob[],
  to: "plain" | "head",
): Promise<void> {
  for (const { job, workerGroup } of jobs) {
    const queued = await backend.queue(stepsQueue(workerGroup)).getJob(stepJobId(job));
    if (!queued || (to === "plain" && queued.priority === 0)) continue;
    try {
      await queued.changePriority({ priority: 0, lifo: to === "head" });
    } catch (error) {
      // it has ended since it was looked up
      if ((error as { code?: unknown }).code !== ErrorCode.JobNotExist) throw error;
    }
  }
}

/** The counts of every known queue. */
export async function countAllJobs(backend: QueueBackend) {
  const names = await backend.listQueueNames();
  return await Promise.all(names.map((name) => countQueue(backend.queue(name))));
}

async function countQueue(queue: BullQueue) {
  const counts = await queue.getJobCounts("waiting", "prioritized", "active", "delayed", "failed");
  const { waiting = 0, prioritized = 0, active = 0, delayed = 0, failed = 0 } = counts;
  return { name: queue.name, waiting: waiting + prioritized, active, delayed, failed };
}
