import { ErrorCode, type IQueueBackend } from "bullmq";
import { groupBy } from "./group-by.js";
import type { QueueBackend } from "./queue-connections.js";
import { RUNS_QUEUE, runJobId, stepsQueue } from "./queue-names.js";
import { buildParentEntry, buildStepEntry, type JobEntry } from "./run-job-entries.js";
import type { RunDispatch, StepDispatch } from "./run-queue.js";

/** On PostgreSQL, from so many plain jobs on, a set-based insert beats the row-by-row one of flows. */
const BULK_FROM = 10;

/** A job to add, and the step it would be added for again without a parent. */
interface Entry {
  readonly entry: JobEntry;
  readonly step?: StepDispatch;
}

/** What the backend said to each entry: a job's id, or a negative code. */
type Reply = string | number;

/**
 * Adds the jobs of runs with the fewest round trips: new flows together, and all else together for each queue.
 * Nothing is read first; adding what is there already changes nothing.
 */
export function createEnqueuer(backend: QueueBackend) {
  const stepQueue = (step: StepDispatch) => backend.queue(stepsQueue(step.workerGroup));

  /** A parent and its first children go in at once, or the first child to end would release the parent. */
  async function addFlows(entries: readonly Entry[]): Promise<StepDispatch[]> {
    const orphans: StepDispatch[] = [];
    for (const part of slices(entries, backend.jobsPerCall)) {
      const results = await backend.flows.getBackend().addFlow(part.map(({ entry }) => entry));
      const replies = results.map(([error, reply]) => {
        if (error) throw error;
        return reply;
      });
      orphans.push(...findOrphans(part, replies));
    }
    return orphans;
  }

  /** Jobs whose parent stands already, or that have none. */
  async function addJobs(entries: readonly Entry[]): Promise<StepDispatch[]> {
    const groups = [...groupBy(entries, ({ entry }) => entry.queueName)];
    const orphans = await Promise.all(groups.map(([name, group]) => addToQueue(name, group)));
    return orphans.flat();
  }

  async function addToQueue(name: string, entries: readonly Entry[]): Promise<StepDispatch[]> {
    const [first] = entries;
    if (entries.length === 1 && first)
      return findOrphans(entries, [await addOne(backend.queue(name).getBackend(), first)]);
    if (backend.kind === "postgres" && entries.length < BULK_FROM) return await addFlows(entries);
    const orphans: StepDispatch[] = [];
    for (const part of slices(entries, backend.jobsPerCall)) {
      const jobs = part.map(({ entry: { jobData, jobId, parentKeyOpts } }) => ({
        job: jobData,
        jobId,
        parentKeyOpts,
      }));
      orphans.push(...findOrphans(part, await backend.queue(name).getBackend().addJobs(jobs)));
    }
    return orphans;
  }

  return async function enqueue(dispatches: readonly RunDispatch[]): Promise<void> {
    const flows: Entry[] = [];
    const jobs: Entry[] = [];
    for (const { runId, flow, isFirst, isSingleStep, steps } of sortDispatches(dispatches)) {
      const sorted = sortSteps(steps);
      if (isSingleStep || sorted.length === 0) {
        jobs.push(...sorted.map((step) => ({ entry: buildStepEntry(stepQueue(step), step) })));
        continue;
      }
      const parent = { id: runJobId(runId, flow), queue: backend.queue(RUNS_QUEUE) };
      const children = sorted.map((step) => ({ entry: buildStepEntry(stepQueue(step), step, parent), step }));
      if (isFirst) flows.push({ entry: buildParentEntry(parent, runId) }, ...children);
      else jobs.push(...children);
    }
    const orphans = (await Promise.all([addFlows(flows), addJobs(jobs)])).flat();
    if (orphans.length === 0) return;
    await addJobs(orphans.map((step) => ({ entry: buildStepEntry(stepQueue(step), step) })));
  };
}

/** One job by a call of its own: the cheapest there is. */
async function addOne(backend: IQueueBackend, { entry }: Entry): Promise<Reply> {
  try {
    return await backend.addJob(entry.jobData, entry.jobId, entry.parentKeyOpts);
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (typeof code === "number" && code < 0) return code;
    throw error;
  }
}

/** The steps whose parent is gone, because its run was rescued or the queue's data were lost. */
function findOrphans(entries: readonly Entry[], replies: readonly Reply[]): StepDispatch[] {
  const orphans: StepDispatch[] = [];
  for (const [index, reply] of replies.entries()) {
    const code = Number(reply);
    if (!(code < 0)) continue;
    const step = entries[index]?.step;
    if (code === ErrorCode.ParentJobNotExist && step) orphans.push(step);
    // a child that belongs to an earlier flow of its run is alive there
    else if (code !== ErrorCode.ParentJobCannotBeReplaced)
      throw new Error(`The queue refused a job: code ${code}`);
  }
  return orphans;
}

function* slices<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += size) yield items.slice(start, start + size);
}

/** Of the urgent ones, the last to be pushed to the head goes first. */
function sortSteps(steps: readonly StepDispatch[]): readonly StepDispatch[] {
  if (steps.length < 2) return steps;
  return [...steps].sort((one, other) => Math.max(one.priority, 0) - Math.max(other.priority, 0));
}

/** Urgent ones last, too; then by run id, so that batches that touch the same parents lock them in one order. */
function sortDispatches(dispatches: readonly RunDispatch[]): readonly RunDispatch[] {
  if (dispatches.length < 2) return dispatches;
  return [...dispatches].sort(
    (one, other) =>
      urgencyOf(one) - urgencyOf(other) || (one.runId < other.runId ? -1 : one.runId > other.runId ? 1 : 0),
  );
}

function urgencyOf(dispatch: RunDispatch): number {
  return dispatch.steps.reduce((most, step) => Math.max(most, step.priority), 0);
}
