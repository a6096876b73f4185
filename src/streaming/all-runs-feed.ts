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
export function createAllRunsFeed(deps: { readonly knex: Knex }) {
  const { knex } = deps;
  let entries: FeedEntry[] = [];
  let nextIndex = 0;
  let indexByToken = new Map<string, number>();
  let seen = new Map<string, string>();
  let newestAt: string | undefined;
  let lastReadAt = 0;
  let pauseMs = LEAST_PAUSE_MS;
  let refreshing: Promise<void> | undefined;
  let queued: Promise<void> | undefined;

  async function startAnew(): Promise<void> {
    const { rows } = await knex.raw<{ rows: { at: string }[] }>(
      `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at`,
    );
    newestAt = rows[0]?.at;
    entries = [];
    indexByToken = new Map();
    seen = new Map((await readSince()).map((timed) => [toResumeToken(timed.position), timed.position.at]));
  }

  async function readSince(): Promise<TimedFrame[]> {
    const found: TimedFrame[] = [];
    let after = startOf(lookBack(newestAt ?? new Date().toISOString(), LOOK_BACK_MS));
    for (;;) {
      const page = await readTimedFrames(knex, after, PAGE);
      found.push(...page);
      const last = page.at(-1);
      if (page.length < PAGE || !last) return found;
      after = last.position;
    }
  }

  async function read(): Promise<void> {
    const begunAt = Date.now();
    const isIdle = begunAt - lastReadAt > MOST_IDLE_MS;
    if (newestAt === undefined || isIdle) await startAnew();
    else append((await readSince()).filter((timed) => !seen.has(toResumeToken(timed.position))));
    lastReadAt = Date.now();
    pauseMs = Math.max(LEAST_PAUSE_MS, 4 * (lastReadAt - begunAt));
  }

  function append(fresh: readonly TimedFrame[]): void {
    for (const timed of inRunOrder(fresh)) {
      const token = toResumeToken(timed.position);
      entries.push({ index: nextIndex, token, timed });
      indexByToken.set(token, nextIndex);
      seen.set(token, timed.position.at);
      nextIndex += 1;
      if (newestAt === undefined || timed.position.at > newestAt) newestAt = timed.position.at;
    }
    for (const dropped of entries.splice(0, Math.max(0, entries.length - MOST_KEPT))) indexByToken.delete(dropped.token);
    const horizon = lookBack(newestAt ?? "", 2 * LOOK_BACK_MS);
    for (const [token, at] of seen) if (at < horizon) seen.delete(token);
  }

  function startRead(): Promise<void> {
    refreshing = read().finally(() => {
      refreshing = undefined;
    });
    return refreshing;
  }

  return {
    /**
     * Reads what was committed before this call. Calls during a read share the one that follows it, which begins
     * after a short pause: a burst of notices costs a few reads, not one each.
     */
    async refresh(): Promise<void> {
      if (!refreshing && !queued && Date.now() - lastReadAt > pauseMs) return await startRead();
      queued ??= (async () => {
        await refreshing?.catch(() => undefined); // its own callers are told
        await sleep(pauseMs);
        queued = undefined;
        await startRead();
      })();
      await queued;
    },
    /** The index that the next event will have. */
    get end(): number {
      return nextIndex;
    },
    /** Where a client that has seen this token goes on, or undefined when this process does not remember it. */
    findToken(token: string): number | undefined {
      const index = indexByToken.get(token);
      return index === undefined ? undefined : index + 1;
    },
    /** Entries from an index on; undefined when some of them are no longer kept. */
    readFrom(index: number): readonly FeedEntry[] | undefined {
      if (index >= nextIndex) return [];
      const first = entries[0];
      if (!first || index < first.index) return undefined;
      return entries.slice(index - first.index, index - first.index + PAGE);
    },
  };
}

/** See {@link createAllRunsFeed}. */
export type AllRunsFeed = ReturnType<typeof createAllRunsFeed>;

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
