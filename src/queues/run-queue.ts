import type { StepJob } from "../contracts/step-job.js";

/** One step execution to be put on its worker group's queue. */
export interface StepDispatch {
  readonly job: StepJob;
  readonly workerGroup: string;
  /** Higher goes sooner; 0 is plain first in, first out. */
  readonly priority: number;
  /** 0: plain order; above it belongs to a backlog and waits behind all plain ones, the lowest rank first (ADR 25). */
  readonly rank: number;
  /** Milliseconds until it may be taken. */
  readonly delayMs: number;
}

/** Steps of one run to be dispatched together. */
export interface RunDispatch {
  readonly runId: string;
  /** Counts the flows of this run: a run that waited, or was rescued, gets a new one. */
  readonly flow: number;
  /** True for the first dispatch of a flow: it makes the parent job. Otherwise children join the parent. */
  readonly isFirst: boolean;
  /** A run of one step needs no parent job. */
  readonly isSingleStep: boolean;
  readonly steps: readonly StepDispatch[];
}

/** Puts runs on BullMQ. Deterministic job ids make doing it twice harmless. */
export interface RunQueue {
  /**
   * Enqueues the steps of one or more runs.
   * @throws when the queue is out of reach for longer than `timeoutMs`; the reconciler will dispatch again.
   */
  enqueueRuns(dispatches: readonly RunDispatch[], timeoutMs?: number): Promise<void>;
  /** Which of these step jobs the queue no longer holds as waiting, delayed, prioritized or active. */
  findMissing(jobs: readonly { readonly job: StepJob; readonly workerGroup: string }[]): Promise<StepJob[]>;
  /** Removes jobs that wait, after a cancel; jobs that run are left. Best effort. */
  removeSteps(jobs: readonly { readonly job: StepJob; readonly workerGroup: string }[]): Promise<void>;
  /**
   * Moves step jobs that wait forward: `plain` those of a backlog behind the plain ones, `head` before everything.
   * @throws when the queue is out of reach; what was moved stays moved.
   */
  hasten(
    jobs: readonly { readonly job: StepJob; readonly workerGroup: string }[],
    to: "plain" | "head",
  ): Promise<void>;
  /** Waiting, active, delayed and failed counts of every known queue. */
  countJobs(): Promise<{ name: string; waiting: number; active: number; delayed: number; failed: number }[]>;
  /**
   * Removes parent jobs older than `olderThanMs` (60 s) that wait for children of which none is alive.
   * For a leader to call every few minutes: they do no harm, but nobody else would ever remove them.
   * @returns how many went.
   */
  removeStrandedRuns(olderThanMs?: number): Promise<number>;
}
