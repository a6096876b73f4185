import type { ConcurrencyRule, RateLimitRule } from "./plan.js";

/** A run that waits for its turn, with the rules of its own version. */
export interface HeldRun {
  readonly id: string;
  readonly versionId: string;
  readonly priority: number;
  readonly concurrency?: ConcurrencyRule | undefined;
  readonly rateLimit?: RateLimitRule | undefined;
}

/** Held runs of one workflow with the same keys: the most urgent first, then the oldest. */
export interface HeldLine {
  readonly concurrencyKey: string;
  readonly rateKey: string;
  /** When a run with these keys was last admitted, in milliseconds since the epoch; null: none is known. */
  readonly lastAdmittedMs: number | null;
  readonly runs: readonly HeldRun[];
  /** There are more than these. */
  readonly isCut: boolean;
}

/** An admitted run that has not ended. */
export interface SlotHolder {
  readonly id: string;
  readonly versionId: string;
}

/** Who has the slots of a concurrency key. */
export interface Slots {
  readonly taken: number;
  /** How many of them were not stopped yet. */
  readonly active: number;
  /** The oldest of those. */
  readonly holders: readonly SlotHolder[];
}

/** What was admitted lately under a rate key. */
export interface RateWindow {
  readonly rateKey: string;
  readonly limit: number;
  readonly seconds: number;
  /** Admissions within the last `seconds`, counted up to `limit`. */
  readonly used: number;
  /** Milliseconds until the oldest of them no longer counts. */
  readonly freeInMs: number;
}

/** What admission is judged on, all of it read under the workflow's lock. */
export interface AdmissionWorld {
  readonly lines: readonly HeldLine[];
  readonly slots: ReadonlyMap<string, Slots>;
  readonly windows: readonly RateWindow[];
}

/** What becomes of a held run. */
export type Verdict = { readonly runId: string } & (
  | { readonly kind: "admit" }
  | { readonly kind: "cancel"; readonly reason: string }
);

/** What one look at the lines came to. Runs without a verdict go on waiting. */
export interface Judgement {
  readonly verdicts: readonly Verdict[];
  /** Runs that have to end for the sake of newer ones. */
  readonly stopped: readonly (SlotHolder & { readonly reason: string })[];
  /** Milliseconds until a rate limit lets the next run in. */
  readonly nextInMs?: number;
  /** Another look, right away, may come to more. */
  readonly isUnfinished: boolean;
}

/**
 * Judges who of the held runs is admitted: the most urgent first; of equally urgent ones those whose keys have had
 * no turn for the longest time; of those the oldest. Pure. A key whose slots or rate are used up never stands
 * in the way of another key.
 */
export function judgeAdmission(world: AdmissionWorld): Judgement {
  const lines = world.lines.map((line) => new Line(line));
  const windows = new Windows(world.windows);
  const keys = new Map<string, KeyState>();
  const verdicts = new Map<string, Verdict>();
  const stopped: (SlotHolder & { reason: string })[] = [];
  let turns = 0;
  for (let line = nextLine(lines); line; line = nextLine(lines)) {
    const run = line.head as HeldRun;
    if (windows.isFull(line.rateKey, run.rateLimit)) {
      line.isBlocked = true;
      continue;
    }
    const key = keyState(keys, world, line.concurrencyKey);
    const outcome = run.concurrency ? key.take(run, run.concurrency) : ADMITTED;
    for (const victim of outcome.superseded ?? [])
      verdicts.set(victim, { runId: victim, kind: "cancel", reason: supersededBy(run.id) });
    if (outcome.stopped) stopped.push({ ...outcome.stopped, reason: supersededBy(run.id) });
    if (outcome.is === "refused")
      verdicts.set(run.id, { runId: run.id, kind: "cancel", reason: outcome.reason });
    if (outcome.is === "admitted") {
      verdicts.set(run.id, { runId: run.id, kind: "admit" });
      windows.count(line.rateKey);
      turns += 1;
      line.turn = turns;
    }
    if (outcome.is === "blocked") line.isBlocked = true;
    else line.step();
  }
  return {
    verdicts: [...verdicts.values()],
    stopped,
    ...(windows.nextInMs === undefined ? {} : { nextInMs: windows.nextInMs }),
    // what is used up just now has its due time read anew
    isUnfinished: verdicts.size > 0 && (windows.isAnyFilled || lines.some((line) => line.isUsedUp)),
  };
}

type Outcome =
  | { readonly is: "admitted"; readonly superseded?: readonly string[]; readonly stopped?: undefined }
  | { readonly is: "waits"; readonly superseded?: readonly string[]; readonly stopped?: SlotHolder }
  | {
      readonly is: "refused";
      readonly reason: string;
      readonly superseded?: undefined;
      readonly stopped?: undefined;
    }
  | { readonly is: "blocked"; readonly superseded?: undefined; readonly stopped?: undefined };

const ADMITTED: Outcome = { is: "admitted" };

function supersededBy(runId: string): string {
  return `The run was canceled in favour of the newer run ${runId} with the same concurrency key`;
}

/** A line while it is judged. */
class Line {
  readonly concurrencyKey: string;
  readonly rateKey: string;
  isBlocked = false;
  /** Counts turns within this judgement; 0: none yet. */
  turn = 0;
  readonly #line: HeldLine;
  #position = 0;

  constructor(line: HeldLine) {
    this.#line = line;
    this.concurrencyKey = line.concurrencyKey;
    this.rateKey = line.rateKey;
  }

  get head(): HeldRun | undefined {
    return this.isBlocked ? undefined : this.#line.runs[this.#position];
  }

  /** All of its runs were judged, and there are more than were given. */
  get isUsedUp(): boolean {
    return this.#line.isCut && this.#position >= this.#line.runs.length;
  }

  step(): void {
    this.#position += 1;
  }

  /** Whether this line comes before another one. */
  isBefore(other: Line): boolean {
    const [mine, theirs] = [this.head, other.head];
    if (!mine || !theirs) return mine !== undefined;
    if (mine.priority !== theirs.priority) return mine.priority > theirs.priority;
    if (this.turn !== other.turn) return this.turn < other.turn;
    const [last, otherLast] = [this.#line.lastAdmittedMs ?? 0, other.#line.lastAdmittedMs ?? 0];
    if (last !== otherLast) return last < otherLast;
    return mine.id < theirs.id;
  }
}

function nextLine(lines: readonly Line[]): Line | undefined {
  let first: Line | undefined;
  for (const line of lines) if (line.head && (!first || line.isBefore(first))) first = line;
  return first;
}

/** The rate windows, counting on with what is admitted. */
class Windows {
  nextInMs: number | undefined;
  /** A window was filled by what is admitted now. */
  isAnyFilled = false;
  readonly #windows: ReadonlyMap<string, RateWindow>;
  readonly #admitted = new Map<string, number>();

  constructor(windows: readonly RateWindow[]) {
    this.#windows = new Map(windows.map((window) => [windowKey(window.rateKey, window), window]));
  }

  isFull(rateKey: string, rule: RateLimitRule | undefined): boolean {
    if (!rule) return false;
    const window = this.#windows.get(windowKey(rateKey, rule));
    if (!window) return true;
    if (window.used >= window.limit) {
      this.nextInMs = Math.min(this.nextInMs ?? Number.POSITIVE_INFINITY, window.freeInMs);
      return true;
    }
    const isFilled = window.used + (this.#admitted.get(rateKey) ?? 0) >= window.limit;
    this.isAnyFilled ||= isFilled;
    return isFilled;
  }

  count(rateKey: string): void {
    this.#admitted.set(rateKey, (this.#admitted.get(rateKey) ?? 0) + 1);
  }
}

/** Names a window: versions of one workflow may differ in their rules. */
export function windowKey(rateKey: string, rule: Pick<RateLimitRule, "limit" | "seconds">): string {
  return `${rule.limit}/${rule.seconds}/${rateKey}`;
}

/** The slots of one concurrency key while runs are judged. */
class KeyState {
  readonly #key: string;
  readonly #slots: Slots;
  #taken: number;
  #stopped = 0;
  /** Runs of this judgement that have a slot, or the promise of one that is being vacated; the oldest first. */
  readonly #admitted: string[] = [];
  readonly #promised: string[] = [];

  constructor(key: string, slots: Slots) {
    this.#key = key;
    this.#slots = slots;
    this.#taken = slots.taken;
  }

  take(run: HeldRun, rule: ConcurrencyRule): Outcome {
    if (this.#taken < rule.limit) {
      this.#taken += 1;
      this.#admitted.push(run.id);
      return ADMITTED;
    }
    if (rule.onConflict === "queue") return { is: "blocked" };
    if (rule.onConflict === "skip") return { is: "refused", reason: this.#skipReason() };
    return this.#supersede(run, rule.limit);
  }

  /** Of all that have or are promised a slot, the newest stay. */
  #supersede(run: HeldRun, limit: number): Outcome {
    const remaining = this.#slots.active - this.#stopped;
    if (remaining + this.#admitted.length + this.#promised.length < limit) {
      // enough of them are about to end
      this.#promised.push(run.id);
      return { is: "waits" };
    }
    if (remaining > 0) {
      const stopped = this.#slots.holders[this.#stopped];
      if (!stopped) return { is: "blocked" };
      this.#stopped += 1;
      this.#promised.push(run.id);
      return { is: "waits", stopped };
    }
    const promised = this.#promised.shift();
    if (promised !== undefined) {
      this.#promised.push(run.id);
      return { is: "waits", superseded: [promised] };
    }
    const admitted = this.#admitted.shift();
    this.#admitted.push(run.id);
    return { is: "admitted", superseded: admitted === undefined ? [] : [admitted] };
  }

  #skipReason(): string {
    const [first] = [...this.#slots.holders.map((holder) => holder.id), ...this.#admitted];
    const others = this.#taken - 1;
    const more = others > 0 ? ` and ${others} more` : "";
    const by = first === undefined ? "" : ` by run ${first}${more}`;
    return `The run was skipped: concurrency key ${JSON.stringify(this.#key)} is held${by}`;
  }
}

function keyState(keys: Map<string, KeyState>, world: AdmissionWorld, key: string): KeyState {
  const known = keys.get(key);
  if (known) return known;
  const made = new KeyState(key, world.slots.get(key) ?? { taken: 0, active: 0, holders: [] });
  keys.set(key, made);
  return made;
}
