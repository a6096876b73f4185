import { ErrorCode } from "bullmq";
import type { StepJob } from "../contracts/step-job.js";
import type { BullQueue, QueueBackend } from "./queue-connections.js";
import { RUNS_QUEUE, runJobId, stepJobId, stepsQueue } from "./queue-names.js";
import { buildParentEntry, buildStepEntry, type JobEntry } from "./run-job-entries.js";
import type { RunDispatch, RunQueue, StepDispatch } from "./run-queue.js";
import { findStrandedRuns } from "./stranded-runs.js";
import { withTimeLimit } from "./time-limit.js";

const TIMEOUT_MS = 5000;
const LIVE_STATES = new Set(["waiting", "delayed", "prioritized", "active", "waiting-children"]);
/** On PostgreSQL, from so many plain jobs on, a set-based insert beats the row-by-row one of flows. */
const BULK_FROM = 10;

/** A job to add, and the step it would be added for again without a parent. */
interface Entry {
  readonly entry: JobEntry;
  readonly step?: StepDispatch;
}

/** Puts runs on BullMQ: one flow for each, whose children join as their steps become ready (ADR 0002). */
export function createRunQueue(backend: QueueBackend): RunQueue {
  const stepQueue = (step: { workerGroup: string }) => backend.queue(stepsQueue(step.workerGroup));

  function toEntries(dispatch: RunDispatch): Entry[] {
    const steps = [...dispatch.steps].sort(byUrgency);
    if (dispatch.isSingleStep) return steps.map((step) => ({ entry: buildStepEntry(stepQueue(step), step) }));
    const parent = { id: runJobId(dispatch.runId, dispatch.flow), queue: backend.queue(RUNS_QUEUE) };
    const children = steps.map((step) => ({ entry: buildStepEntry(stepQueue(step), step, parent), step }));
    if (!dispatch.isFirst || children.length === 0) return children;
    return [{ entry: buildParentEntry(parent, dispatch.runId) }, ...children];
  }

  /** Adds in order, some at a time, and gives back the steps whose parent is gone. */
  async function addFlows(entries: readonly Entry[]): Promise<StepDispatch[]> {
    const orphans: StepDispatch[] = [];
    for (let start = 0; start < entries.length; start += backend.jobsPerCall) {
      const part = entries.slice(start, start + backend.jobsPerCall);
      const results = await backend.flows.getBackend().addFlow(part.map(({ entry }) => entry));
      for (const [index, [error, idOrCode]] of results.entries()) {
        if (error) throw error;
        const step = part[index]?.step;
        if (idOrCode === ErrorCode.ParentJobNotExist && step) orphans.push(step);
        else if (isRefusal(idOrCode)) throw new Error(`The queue refused a job with code ${idOrCode}`);
      }
    }
    return orphans;
  }

  /** Adds jobs without a parent. */
  async function addPlain(entries: readonly Entry[]): Promise<void> {
    if (backend.kind === "redis" || entries.length < BULK_FROM) {
      await addFlows(entries);
      return;
    }
    const byQueue = Map.groupBy(entries, ({ entry }) => entry.queueName);
    for (const [name, group] of byQueue) {
      const jobs = group.map(({ entry }) => ({ job: entry.jobData, jobId: entry.jobId }));
      await backend.queue(name).getBackend().addJobs(jobs);
    }
  }

  async function enqueue(dispatches: readonly RunDispatch[]): Promise<void> {
    await backend.whenReachable();
    const entries = [...dispatches].sort(byUrgencyThenRun).flatMap(toEntries);
    // Redis takes everything in one call; on PostgreSQL plain jobs have a faster way in
    const isPlain = ({ entry, step }: Entry) => !step && !entry.parentKeyOpts.addToWaitingChildren;
    const plain = backend.kind === "postgres" ? entries.filter(isPlain) : [];
    const rest = plain.length > 0 ? entries.filter((entry) => !isPlain(entry)) : entries;
    const [orphans] = await Promise.all([addFlows(rest), addPlain(plain)]);
    if (orphans.length > 0) {
      await addPlain(orphans.map((step) => ({ entry: buildStepEntry(stepQueue(step), step) })));
    }
  }

  async function findMissing(jobs: readonly QueuedJob[]): Promise<StepJob[]> {
    await backend.whenReachable();
    const missing: StepJob[] = [];
    const groups = Map.groupBy(jobs, (job) => stepsQueue(job.workerGroup));
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

  return {
    enqueueRuns: (dispatches, timeoutMs = TIMEOUT_MS) =>
      withTimeLimit(enqueue(dispatches), timeoutMs, "Enqueueing"),
    findMissing: (jobs) => withTimeLimit(findMissing(jobs), 4 * TIMEOUT_MS, "Looking jobs up"),
    async removeSteps(jobs) {
      const work = backend
        .whenReachable()
        .then(() =>
          Promise.allSettled(jobs.map((job) => stepQueue(job).remove(stepJobId(job.job), { removeChildren: false }))),
        );
      const results = await withTimeLimit(work, 4 * TIMEOUT_MS, "Removing jobs");
      const failed = results.find((result) => result.status === "rejected");
      if (failed) throw failed.reason;
    },
    async countJobs() {
      const names = await withTimeLimit(listNames(backend), TIMEOUT_MS, "Listing queues");
      return await withTimeLimit(
        Promise.all(names.map((name) => countQueue(backend.queue(name)))),
        TIMEOUT_MS,
        "Counting jobs",
      );
    },
    async removeStrandedRuns(olderThanMs = 60_000) {
      await withTimeLimit(backend.whenReachable(), TIMEOUT_MS, "Reaching the queue");
      const stranded = await findStrandedRuns(backend, olderThanMs);
      const queue = backend.queue(RUNS_QUEUE);
      for (const id of stranded) await queue.remove(id, { removeChildren: false });
      return stranded.length;
    },
  };
}

type QueuedJob = { readonly job: StepJob; readonly workerGroup: string };

async function listNames(backend: QueueBackend): Promise<string[]> {
  await backend.whenReachable();
  return await backend.listQueueNames();
}

async function countQueue(queue: BullQueue) {
  const counts = await queue.getJobCounts("waiting", "prioritized", "active", "delayed", "failed");
  const { waiting = 0, prioritized = 0, active = 0, delayed = 0, failed = 0 } = counts;
  return { name: queue.name, waiting: waiting + prioritized, active, delayed, failed };
}

/** A child that already belongs to another flow of its run is alive there: no refusal. */
function isRefusal(idOrCode: string | number): boolean {
  if (typeof idOrCode === "string") return false;
  return idOrCode < 0 && idOrCode !== ErrorCode.ParentJobCannotBeReplaced;
}

/** Of the urgent ones, the last to be pushed to the head goes first. */
function byUrgency(one: StepDispatch, other: StepDispatch): number {
  return Math.max(one.priority, 0) - Math.max(other.priority, 0);
}

/** The run's id as the last word: batches that touch the same parents lock them in the same order. */
function byUrgencyThenRun(one: RunDispatch, other: RunDispatch): number {
  return urgencyOf(one) - urgencyOf(other) || (one.runId < other.runId ? -1 : one.runId > other.runId ? 1 : 0);
}

function urgencyOf(dispatch: RunDispatch): number {
  return dispatch.steps.reduce((most, step) => Math.max(most, step.priority), 0);
}
