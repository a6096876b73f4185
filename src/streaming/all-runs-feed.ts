import { setTimeout as sleep } from "node:timers/promises";
import type { Knex } from "knex";
import { readTimedFrames, type TimedFrame, type TimePosition } from "./event-frames.js";
import { toResumeToken } from "./resume-token.js";

/** One `run.*` event in the order in which this process delivers it. */
export interface FeedEntry {
  readonly index: number;
  readonly token: string;
  readonly timed: TimedFrame;
}

const MOST_KEPT = 5000;
const PAGE = 1000;
/**
 * An event carries the time its transaction began, so it may become visible after younger ones. Each read looks
 * back this far, and what was seen before is passed over.
 */
const LOOK_BACK_MS = 5000;
/** After so long without readers the feed starts anew rather than catching up. */
const MOST_IDLE_MS = 60_000;
const LEAST_PAUSE_MS = 50;

/** The `run.*` events of all runs, read once for everybody in this process. */
export interface AllRunsFeed {
  /**
   * Reads what was committed before this call. Calls during a read share the one that follows it, which begins
   * after a short pause: a burst of notices costs a few reads, not one each.
   */
  refresh(): Promise<void>;
  /** The index that the next event will have. */
  readonly end: number;
  /** Where a client that has seen this token goes on, or undefined when this process does not remember it. */
  findToken(token: string): number | undefined;
  /** Entries from an index on; undefined when some of them are no longer kept. */
  readFrom(index: number): readonly FeedEntry[] | undefined;
}

/** Makes the feed; it reads nothing until somebody asks. */
export function createAllRunsFeed(deps: { readonly knex: Knex }): AllRunsFeed {
  return new FeedState(deps.knex);
}

class FeedState implements AllRunsFeed {
  readonly #knex: Knex;
  #entries: FeedEntry[] = [];
  readonly #indexByToken = new Map<string, number>();
  /** Tokens within reach of the look-back, with their times. */
  readonly #seen = new Map<string, string>();
  #newestAt: string | undefined;
  #lastReadAt = 0;
  #pauseMs = LEAST_PAUSE_MS;
  #reading: Promise<void> | undefined;
  #queued: Promise<void> | undefined;
  end = 0;

  constructor(knex: Knex) {
    this.#knex = knex;
  }

  async refresh(): Promise<void> {
    const isRested = Date.now() - this.#lastReadAt > this.#pauseMs;
    if (!this.#reading && !this.#queued && isRested) return await this.#startRead();
    this.#queued ??= this.#readNext();
    await this.#queued;
  }

  findToken(token: string): number | undefined {
    const index = this.#indexByToken.get(token);
    return index === undefined ? undefined : index + 1;
  }

  readFrom(index: number): readonly FeedEntry[] | undefined {
    if (index >= this.end) return [];
    const first = this.#entries[0];
    if (!first || index < first.index) return undefined;
    return this.#entries.slice(index - first.index, index - first.index + PAGE);
  }

  async #readNext(): Promise<void> {
    await this.#reading?.catch(() => undefined); // those who asked for that one are told
    await sleep(this.#pauseMs);
    this.#queued = undefined;
    await this.#startRead();
  }

  async #startRead(): Promise<void> {
    this.#reading = this.#read();
    try {
      await this.#reading;
    } finally {
      this.#reading = undefined;
    }
  }

  async #read(): Promise<void> {
    const begunAt = Date.now();
    if (this.#newestAt === undefined || begunAt - this.#lastReadAt > MOST_IDLE_MS) await this.#startAnew();
    else
      this.#append(
        (await this.#readSince()).filter((timed) => !this.#seen.has(toResumeToken(timed.position))),
      );
    this.#lastReadAt = Date.now();
    this.#pauseMs = Math.max(LEAST_PAUSE_MS, 4 * (this.#lastReadAt - begunAt));
  }

  /** What is there now was before everybody's time: it is remembered as seen, not shown. */
  async #startAnew(): Promise<void> {
    const { rows } = await this.#knex.raw<{ rows: { at: string }[] }>(
      `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at`,
    );
    this.#newestAt = rows[0]?.at;
    this.#entries = [];
    this.#indexByToken.clear();
    this.#seen.clear();
    for (const { position } of await this.#readSince()) this.#seen.set(toResumeToken(position), position.at);
  }

  async #readSince(): Promise<TimedFrame[]> {
    const found: TimedFrame[] = [];
    let after = startOf(lookBack(this.#newestAt ?? new Date().toISOString(), LOOK_BACK_MS));
    for (;;) {
      const page = await readTimedFrames(this.#knex, after, PAGE);
      found.push(...page);
      const last = page.at(-1);
      if (page.length < PAGE || !last) return found;
      after = last.position;
    }
  }

  #append(fresh: readonly TimedFrame[]): void {
    for (const timed of inRunOrder(fresh)) {
      const token = toResumeToken(timed.position);
      this.#entries.push({ index: this.end, token, timed });
      this.#indexByToken.set(token, this.end);
      this.#seen.set(token, timed.position.at);
      this.end += 1;
      if (this.#newestAt === undefined || timed.position.at > this.#newestAt)
        this.#newestAt = timed.position.at;
    }
    const dropCount = Math.max(0, this.#entries.length - MOST_KEPT);
    for (const dropped of this.#entries.splice(0, dropCount)) this.#indexByToken.delete(dropped.token);
    const horizon = lookBack(this.#newestAt ?? "", 2 * LOOK_BACK_MS);
    for (const [token, at] of this.#seen) if (at < horizon) this.#seen.delete(token);
  }
}

/** What a client that this process does not remember may have missed: two seconds are told again rather than lost. */
export function replayStart(position: TimePosition): TimePosition {
  return startOf(lookBack(position.at, 2000));
}

function startOf(at: string): TimePosition {
  return { at, runId: "00000000-0000-0000-0000-000000000000", seq: 0 };
}

function lookBack(at: string, ms: number): string {
  const millis = Date.parse(at);
  return Number.isNaN(millis) ? at : new Date(millis - ms).toISOString().replace("Z", "000Z");
}

/** Keeps the order of time, but never shows one run's events out of sequence. */
export function inRunOrder(frames: readonly TimedFrame[]): TimedFrame[] {
  const byRun = new Map<string, TimedFrame[]>();
  for (const timed of frames) {
    const ofRun = byRun.get(timed.position.runId);
    if (ofRun) ofRun.push(timed);
    else byRun.set(timed.position.runId, [timed]);
  }
  for (const ofRun of byRun.values()) ofRun.sort((one, other) => other.position.seq - one.position.seq);
  return frames.flatMap((timed) => byRun.get(timed.position.runId)?.pop() ?? []);
}
