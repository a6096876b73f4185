interface Timer {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** The simulated clock and all that is to happen by it. Of two things at the same moment the older goes first. */
export class EventLoop {
  /** Milliseconds; the database's clock, and everyone's. */
  now = 1_000_000;
  /** What has happened so far. */
  ticks = 0;
  #order = 0;
  /** A binary heap, the next one first. */
  readonly #heap: Timer[] = [];

  after(delayMs: number, run: () => void): void {
    this.at(this.now + delayMs, run);
  }

  at(time: number, run: () => void): void {
    this.#order += 1;
    this.#push({ at: Math.max(time, this.now), order: this.#order, run });
  }

  /** Lets the next thing happen. @returns false when there is none. */
  turn(): boolean {
    const next = this.#pop();
    if (!next) return false;
    this.now = next.at;
    this.ticks += 1;
    next.run();
    return true;
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let index = heap.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as Timer;
      if (!isBefore(timer, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = timer;
  }

  #pop(): Timer | undefined {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (heap.length === 0 || !last) return first;
    let index = 0;
    for (let child = 1; child < heap.length; child = 2 * index + 1) {
      const right = heap[child + 1];
      if (right && isBefore(right, heap[child] as Timer)) child += 1;
      const below = heap[child] as Timer;
      if (!isBefore(below, last)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(one: Timer, other: Timer): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
