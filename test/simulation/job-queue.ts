import type { StepJob } from "../../src/contracts/step-job.js";
import type { EventLoop } from "./event-loop.js";
import type { Faults } from "./faults.js";
import type { SimProcess } from "./process.js";
import type { Random } from "./random.js";
import { type Task, wait, type Wake } from "./task.js";

/** A job in the hands of a worker. */
export interface Delivery {
  readonly id: string;
  readonly job: StepJob;
  /** Counts its deliveries; an older one's end is refused, as BullMQ does when a lock was lost. */
  readonly lock: number;
}

interface Entry {
  readonly id: string;
  readonly job: StepJob;
  state: "delayed" | "ready" | "active";
  lock: number;
  holder: SimProcess | undefined;
}

interface Waiter {
  readonly process: SimProcess;
  readonly wake: Wake;
}

/** A worker that is silent this long has lost its jobs' locks: they are delivered again. */
const LOCK_MS = 10_000;
const STALL_CHECK_MS = 5000;

/** BullMQ, as unkind as it can be: jobs get lost, come twice, late, early and out of order. */
export class JobQueue {
  readonly #entries = new Map<string, Entry>();
  readonly #random: Random;
  readonly #loop: EventLoop;
  readonly #faults: Faults;
  #ready: Entry[] = [];
  #waiters: Waiter[] = [];
  #copies = 0;

  constructor(deps: { random: Random; loop: EventLoop; faults: Faults }) {
    this.#random = deps.random;
    this.#loop = deps.loop;
    this.#faults = deps.faults;
  }

  /** Adds a job; one with the same id that is there already stands for it. */
  add(job: StepJob, delayMs: number): void {
    if (this.#faults.strike("jobLost")) return;
    const id = jobId(job);
    let waitMs = delayMs;
    if (this.#faults.strike("jobLate")) waitMs += this.#random.int(100, 15_000);
    // BullMQ goes by the clock of whoever asks
    if (this.#faults.strike("jobEarly")) waitMs = this.#random.int(0, waitMs);
    if (!this.#entries.has(id)) this.#enter(id, job, waitMs);
    if (!this.#faults.strike("jobTwice")) return;
    this.#copies += 1;
    this.#enter(`${id}#${this.#copies}`, job, this.#random.int(0, 5000));
  }

  /** Waits for a job. */
  *take(process: SimProcess): Task<Delivery> {
    return yield* wait<Delivery>((wake) => {
      this.#waiters.push({ process, wake });
      this.#hand();
    });
  }

  /** The job is done. */
  finish({ id, lock }: Delivery): void {
    if (this.#entries.get(id)?.lock === lock) this.#entries.delete(id);
  }

  /** The job comes again. */
  putBack({ id, lock }: Delivery, delayMs: number): void {
    const entry = this.#entries.get(id);
    if (!entry || entry.lock !== lock) return;
    entry.holder = undefined;
    this.#delay(entry, delayMs);
  }

  /** Which of these it does not hold. */
  findMissing(jobs: readonly StepJob[]): StepJob[] {
    return jobs.filter((job) => !this.#entries.has(jobId(job)));
  }

  /** Whether a job of this run is left. */
  hasJobOf(runId: string): boolean {
    for (const { job } of this.#entries.values()) if (job.runId === runId) return true;
    return false;
  }

  /** The process is silent from now on, for so long: its jobs stall. */
  onSilence(process: SimProcess, silentMs: number): void {
    if (silentMs < LOCK_MS) return;
    this.#loop.after(LOCK_MS + this.#random.int(0, STALL_CHECK_MS), () => {
      for (const entry of [...this.#entries.values()]) {
        if (entry.state !== "active" || entry.holder !== process) continue;
        entry.holder = undefined;
        this.#delay(entry, 0);
      }
    });
  }

  /** `FLUSHALL`. */
  wipe(): void {
    this.#entries.clear();
    this.#ready = [];
  }

  #enter(id: string, job: StepJob, delayMs: number): void {
    const entry: Entry = { id, job, state: "delayed", lock: 0, holder: undefined };
    this.#entries.set(id, entry);
    this.#delay(entry, delayMs);
  }

  #delay(entry: Entry, delayMs: number): void {
    entry.state = "delayed";
    entry.lock += 1;
    const { lock } = entry;
    const makeReady = () => {
      if (this.#entries.get(entry.id) !== entry || entry.lock !== lock) return;
      entry.state = "ready";
      this.#ready.push(entry);
      this.#hand();
    };
    if (delayMs > 0) this.#loop.after(delayMs, makeReady);
    else makeReady();
  }

  /** Gives jobs to those who wait for one. */
  #hand(): void {
    this.#waiters = this.#waiters.filter(({ process }) => process.isAlive && !process.isStopping);
    while (this.#ready.length > 0 && this.#waiters.length > 0) {
      const isOutOfOrder = this.#faults.strike("jobOutOfOrder");
      const [entry] = this.#ready.splice(isOutOfOrder ? this.#random.int(0, this.#ready.length - 1) : 0, 1);
      const [waiter] = this.#waiters.splice(this.#random.int(0, this.#waiters.length - 1), 1);
      if (!entry || !waiter) return;
      entry.state = "active";
      entry.lock += 1;
      entry.holder = waiter.process;
      const { id, job, lock } = entry;
      const delivery: Delivery = { id, job, lock };
      this.#loop.after(1, () => waiter.wake.resolve(delivery));
    }
  }
}

function jobId({ runId, stepIndex, itemIndex, attempt }: StepJob): string {
  return `${runId}.${stepIndex}.${itemIndex}.${attempt}`;
}
