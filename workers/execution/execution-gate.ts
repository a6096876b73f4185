/** To be called when what was let in has ended. Idempotent. */
export type Leave = () => void;

/** What came of asking: `leave` when it may begin, or in how many milliseconds to ask again. */
export type Admission =
  | { readonly leave: Leave; readonly backInMs?: undefined }
  | { readonly backInMs: number };

/** Timings of a gate, in milliseconds. */
export interface GateTimings {
  /** Whoever finds the gate shut waits so long in front of it; then others may have what it brings. */
  readonly patienceMs: number;
  readonly backInMs: number;
  /** How long one that goes in alone waits for the others to end, and what it does after that has been in vain. */
  readonly emptyWithinMs: number;
  readonly backAfterVainMs: number;
}

/** The worker is not kept from its work for longer than most steps last. */
const DEFAULT_TIMINGS: GateTimings = {
  patienceMs: 2000,
  backInMs: 1000,
  emptyWithinMs: 300_000,
  backAfterVainMs: 60_000,
};

interface Visitor {
  readonly isAlone: boolean;
  isInside: boolean;
  /** Tells a visitor that waits: it is in, its turn has come and it waits for the others to end, or there is no hope. */
  tell: ((news: "in" | "turn" | "closed") => void) | undefined;
}

/**
 * What a worker executes passes this gate. One that may be what kills workers goes in alone: the gate shuts, those
 * inside end, it goes in, and the gate opens once it has left. So it can take nobody along. Two such take turns.
 */
export class ExecutionGate {
  readonly #timings: GateTimings;
  readonly #waiting: Visitor[] = [];
  #inside = 0;
  /** Who has the gate shut: waits for the others to end, or is inside alone. */
  #sole: Visitor | undefined;
  #isClosed = false;

  constructor(timings: Partial<GateTimings> = {}) {
    this.#timings = { ...DEFAULT_TIMINGS, ...timings };
  }

  /** Nobody else is let in: those inside should not go on with more than they came for. */
  get isShut(): boolean {
    return this.#isClosed || this.#sole !== undefined;
  }

  /**
   * Waits for the way to be free, for a limited time and not beyond an abort.
   * @param isAlone nobody else may be inside meanwhile.
   */
  async enter(isAlone: boolean, signal?: AbortSignal): Promise<Admission> {
    const { backInMs, backAfterVainMs } = this.#timings;
    if (signal?.aborted) return { backInMs };
    const visitor: Visitor = { isAlone, isInside: false, tell: undefined };
    if (this.#letIn(visitor) || (await this.#wait(visitor, signal)))
      return { leave: () => this.#remove(visitor) };
    const isInVain = this.#sole === visitor && !this.#isClosed && !signal?.aborted;
    this.#remove(visitor);
    return { backInMs: isInVain ? backAfterVainMs : backInMs };
  }

  /** The worker stops: nobody is let in any more, and whoever waits is sent away. Those inside go on. */
  close(): void {
    this.#isClosed = true;
    for (const visitor of [...this.#waiting]) visitor.tell?.("closed");
  }

  #letIn(visitor: Visitor): boolean {
    if (this.#isClosed || (this.#sole && this.#sole !== visitor)) return false;
    if (visitor.isAlone) this.#sole = visitor;
    if (visitor.isAlone && this.#inside > 0) return false;
    visitor.isInside = true;
    this.#inside += 1;
    return true;
  }

  async #wait(visitor: Visitor, signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#isClosed) return false;
    const { patienceMs, emptyWithinMs } = this.#timings;
    this.#waiting.push(visitor);
    return await new Promise<boolean>((resolve) => {
      const settle = (isIn: boolean) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", giveUp);
        visitor.tell = undefined;
        const place = this.#waiting.indexOf(visitor);
        if (place >= 0) this.#waiting.splice(place, 1);
        resolve(isIn);
      };
      const giveUp = () => settle(false);
      let timer = setTimeout(giveUp, this.#sole === visitor ? emptyWithinMs : patienceMs);
      visitor.tell = (news) => {
        if (news !== "turn") return settle(news === "in");
        clearTimeout(timer);
        timer = setTimeout(giveUp, emptyWithinMs);
      };
      signal?.addEventListener("abort", giveUp);
    });
  }

  #remove(visitor: Visitor): void {
    if (visitor.isInside) this.#inside -= 1;
    visitor.isInside = false;
    if (this.#sole === visitor) this.#sole = undefined;
    // in the order in which they came
    for (const next of [...this.#waiting]) {
      const hadTurn = this.#sole === next;
      if (this.#letIn(next)) next.tell?.("in");
      else if (this.#sole === next && !hadTurn) next.tell?.("turn");
    }
  }
}
