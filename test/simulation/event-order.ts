import type { EventRow } from "./tables.js";
import { ensure } from "./violation.js";

const END = "succeeded|failed|skipped|canceled";

/** What may come after an event of a step; `none`: its first. Reused steps begin with their end. */
const NEXT: Readonly<Record<string, RegExp>> = {
  none: /^(queued|skipped|canceled|succeeded)$/,
  queued: /^(started|waiting|skipped|failed|canceled)$/,
  started: new RegExp(`^(log|retrying|waiting|${END})$`),
  log: new RegExp(`^(log|retrying|waiting|${END})$`),
  retrying: /^(started|waiting|failed|canceled|skipped)$/,
  waiting: new RegExp(`^(waiting|retrying|${END})$`),
  succeeded: /^$/,
  failed: /^$/,
  skipped: /^$/,
  canceled: /^$/,
};

/** Follows the events of one run: their numbers, and the order of each step's. */
export class EventOrder {
  #seen = 0;
  #isEnded = false;
  readonly #last = new Map<string, string>();
  readonly #attempts = new Map<string, number>();

  /** The last that was told of a step run: `canceled`; undefined: nothing was. */
  lastOf(stepId: string, itemIndex: number): string | undefined {
    return this.#last.get(`${stepId}/${itemIndex}`);
  }

  /** Looks at what has come since the last look. */
  follow(runId: string, events: readonly EventRow[]): void {
    for (; this.#seen < events.length; this.#seen += 1) {
      const event = events[this.#seen] as EventRow;
      const name = () => `${runId}: event ${event.seq} (${event.type} ${event.step_id ?? ""})`;
      ensure(event.seq === this.#seen + 1, "I5", () => `${name()} should have number ${this.#seen + 1}`);
      ensure(!this.#isEnded, "I5", () => `${name()} comes after the run's end`);
      ensure((event.seq === 1) === (event.type === "run.queued"), "I5", () => `${name()} out of order`);
      if (event.step_id !== null) this.#followStep(event, name);
      else if (/^run\.(succeeded|failed|canceled)$/.test(event.type)) this.#isEnded = true;
    }
  }

  #followStep(event: EventRow, name: () => string): void {
    const key = `${event.step_id}/${event.item_index ?? -1}`;
    const type = event.type.slice("step.".length);
    const last = this.#last.get(key) ?? "none";
    ensure(NEXT[last]?.test(type) ?? false, "I5", () => `${name()} comes after ${last}`);
    this.#last.set(key, type);
    if (event.attempt === null) return;
    const attempt = this.#attempts.get(key) ?? 1;
    ensure(event.attempt === attempt, "I5", () => `${name()} is of attempt ${event.attempt}, not ${attempt}`);
    if (type !== "retrying") return;
    const { nextAttempt } = JSON.parse(event.data) as { nextAttempt: number };
    ensure(nextAttempt === attempt + 1, "I5", () => `${name()} announces attempt ${nextAttempt}`);
    this.#attempts.set(key, nextAttempt);
  }
}
