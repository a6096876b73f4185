import { Job, type JobsOptions } from "bullmq";
import { placeInQueue } from "../core/queue-order.js";
import { stepJobId } from "./queue-names.js";
import type { BullQueue } from "./queue-connections.js";
import type { StepDispatch } from "./run-queue.js";

/** One job of a flow as the backend takes it: it names its own queue and its parent. */
export type JobEntry = ReturnType<Job["toFlowEntry"]>;

/** The parent job that children name. */
export interface ParentLink {
  readonly id: string;
  readonly queue: BullQueue;
}

/** Failed jobs stay in sight for a day; the id carries the attempt, so none stands in the way of the next one. */
const KEEP_FAILED = { count: 1000, age: 86_400 };

/**
 * A failed child leaves its parent's dependencies. `ignoreDependencyOnFailure` would keep a note of it on the
 * parent, and on PostgreSQL that note strands the parent when the child's id comes back (ADR 0002).
 */
const CHILD_OPTIONS: JobsOptions = {
  attempts: 1,
  removeOnComplete: true,
  removeOnFail: KEEP_FAILED,
  removeDependencyOnFailure: true,
};

/** A parent is tried again when it could not close its run, or when a child joined while it ran. */
const PARENT_OPTIONS: JobsOptions = {
  attempts: 8,
  backoff: { type: "exponential", delay: 500 },
  removeOnComplete: true,
  removeOnFail: KEEP_FAILED,
};

/** The job of one step, with or without a parent. */
export function buildStepEntry(queue: BullQueue, step: StepDispatch, parent?: ParentLink): JobEntry {
  const id = stepJobId(step.job);
  const options: JobsOptions = {
    ...CHILD_OPTIONS,
    ...toOrder(step),
    ...(step.delayMs > 0 ? { delay: Math.ceil(step.delayMs) } : {}),
    ...(parent ? { parent: { id: parent.id, queue: parent.queue.qualifiedName } } : {}),
    jobId: id,
  };
  const job = new Job(queue, step.job.stepId, step.job, options, id);
  return job.toFlowEntry(
    parent ? { parentKey: job.parentKey, parentDependenciesKey: dependenciesKey(parent) } : {},
  );
}

/** The parent job of a run's flow; it waits for its children. */
export function buildParentEntry(parent: ParentLink, runId: string): JobEntry {
  const job = new Job(parent.queue, "run", { runId }, { ...PARENT_OPTIONS, jobId: parent.id }, parent.id);
  return job.toFlowEntry({ addToWaitingChildren: true });
}

function dependenciesKey(parent: ParentLink): string {
  return `${parent.queue.toKey(parent.id)}:dependencies`;
}

/**
 * BullMQ takes plain jobs first, then those with a number, the smallest number first. What goes to the head of the
 * plain ones goes sooner the later it came: what is handed over together is sorted for that.
 */
function toOrder({ priority, rank }: StepDispatch): JobsOptions {
  const place = placeInQueue(priority, rank);
  if (place.kind === "head") return { lifo: true };
  return place.kind === "numbered" ? { priority: place.number } : {};
}
