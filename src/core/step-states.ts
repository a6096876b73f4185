import type { StepStatus } from "./statuses.js";

/**
 * One letter per step, in the order of the definition, kept in the run's own row: the whole truth about
 * "what is ready" is one short text, read and written under the run's row lock.
 *
 * `tolerated` is a failure with `onError: continue`; `blocked` is a skip because something upstream failed.
 */
export const STATE = {
  pending: "p",
  queued: "q",
  running: "r",
  waiting: "w",
  succeeded: "s",
  failed: "f",
  tolerated: "o",
  skipped: "k",
  blocked: "d",
  canceled: "c",
} as const;

/** A letter of the text. */
export type StateLetter = (typeof STATE)[keyof typeof STATE];

const STATUS_OF: Readonly<Record<StateLetter, StepStatus>> = {
  p: "pending",
  q: "queued",
  r: "running",
  w: "waiting",
  s: "succeeded",
  f: "failed",
  o: "failed",
  k: "skipped",
  d: "skipped",
  c: "canceled",
};

/** The step states of one run, open to change while a transition is worked out. */
export class StepStates {
  readonly #letters: StateLetter[];

  constructor(text: string) {
    this.#letters = text.split("") as StateLetter[];
  }

  /** Every step pending. */
  static allPending(count: number): StepStates {
    return new StepStates(STATE.pending.repeat(count));
  }

  /** The letter of a step; unknown indices are a fault of the caller. */
  get(index: number): StateLetter {
    const letter = this.#letters[index];
    if (letter === undefined) throw new RangeError(`no step ${index}`);
    return letter;
  }

  set(index: number, letter: StateLetter): void {
    this.#letters[index] = letter;
  }

  isEnded(index: number): boolean {
    return isEndedLetter(this.get(index));
  }

  /** Indices of the steps that have not ended. */
  openIndices(): number[] {
    return this.#letters.flatMap((letter, index) => (isEndedLetter(letter) ? [] : [index]));
  }

  some(letter: StateLetter): boolean {
    return this.#letters.includes(letter);
  }

  /** Whether every step has ended. */
  areAllEnded(): boolean {
    return this.#letters.every(isEndedLetter);
  }

  /** Whether every step before an index has ended. */
  areEndedBelow(end: number): boolean {
    for (let index = 0; index < end; index += 1) if (!this.isEnded(index)) return false;
    return true;
  }

  toString(): string {
    return this.#letters.join("");
  }
}

function isEndedLetter(letter: StateLetter): boolean {
  return letter !== "p" && letter !== "q" && letter !== "r" && letter !== "w";
}

/** The public status of a letter. */
export function statusOf(letter: StateLetter): StepStatus {
  return STATUS_OF[letter];
}
