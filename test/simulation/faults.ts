import type { Random } from "./random.js";

/** What goes wrong by chance, each at its own place in the code of the simulated processes. */
export const FAULTS = [
  /** A flush fails, and nothing of it is written. */
  "databaseAway",
  /** A flush is written, but whoever asked for it is told that the connection broke. */
  "answerLost",
  /** The process dies between a commit and what follows it, or between two things that follow. */
  "crashAfterCommit",
  "crashBeforeEnqueue",
  "crashAfterEnqueue",
  "crashBeforeFollow",
  /** The queue is out of reach: a commit's jobs are left to the reconciler. */
  "queueAway",
  "jobLost",
  "jobTwice",
  "jobLate",
  "jobEarly",
  "jobOutOfOrder",
  /** An order to stop does not reach a worker. */
  "noticeLost",
  /** The worker dies while it executes. */
  "crashWhileRunning",
] as const;
export type Fault = (typeof FAULTS)[number];

/** What happens to whole processes, every few seconds. */
export const BLOWS = [
  "killWorker",
  "pauseWorker",
  "drainWorker",
  "killService",
  "wipeQueue",
  "replay",
  "stray",
] as const;
export type Blow = (typeof BLOWS)[number];

/** How often each fault strikes in one simulation; each of them is left out in about half of the seeds. */
export class Faults {
  isOn = true;
  readonly blows: Readonly<Record<Blow, number>>;
  readonly #random: Random;
  readonly #rates: Readonly<Record<Fault, number>>;

  constructor(random: Random) {
    this.#random = random;
    const heat = random.pick([0, 0.3, 1, 1, 2]);
    const rate = (most: number) => (random.chance(0.5) ? 0 : random.next() * most * heat);
    this.#rates = {
      databaseAway: rate(0.03),
      answerLost: rate(0.05),
      crashAfterCommit: rate(0.03),
      crashBeforeEnqueue: rate(0.03),
      crashAfterEnqueue: rate(0.03),
      crashBeforeFollow: rate(0.1),
      queueAway: rate(0.2),
      jobLost: rate(0.2),
      jobTwice: rate(0.3),
      jobLate: rate(0.2),
      jobEarly: rate(0.5),
      jobOutOfOrder: rate(1),
      noticeLost: rate(0.5),
      crashWhileRunning: rate(0.05),
    };
    this.blows = {
      killWorker: rate(1),
      pauseWorker: rate(1),
      drainWorker: rate(0.5),
      killService: rate(0.5),
      wipeQueue: rate(0.3),
      replay: rate(6),
      stray: rate(6),
    };
  }

  /** Whether this fault strikes now. */
  strike(fault: Fault): boolean {
    return this.isOn && this.#random.chance(this.#rates[fault]);
  }

  get isAnyBlow(): boolean {
    return BLOWS.some((blow) => this.blows[blow] > 0);
  }
}
