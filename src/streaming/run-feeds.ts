import type { Knex } from "knex";
import { isRunTerminal, type RunStatus } from "../core/statuses.js";
import { type EventFrame, readRunFrames } from "./event-frames.js";
import type { RunNotices } from "./run-notices.js";

/** Most events of one read, and about how much text: log events hold up to 64 KiB each. */
const MOST_READ_FRAMES = 500;
const LEAST_READ_FRAMES = 8;
const READ_CHARS = 256 * 1024;
/** What a feed keeps of its run's newest events: those who follow live read from here, not from PostgreSQL. */
const MOST_KEPT_FRAMES = 2000;
const MOST_KEPT_CHARS = 1024 * 1024;

/** Where a run stands. */
export interface RunStanding {
  readonly status: RunStatus;
  /** The number of the terminal event, or, should the run have ended without one, of its last event. */
  readonly endSeq: number | undefined;
}

/** Events after a position, in order. */
export interface FeedRead {
  readonly frames: readonly EventFrame[];
  /** Nothing more had been committed when this was asked: whatever comes later comes with a notice. */
  readonly isComplete: boolean;
}

/** Reads one run's events for everybody in this process who follows it. */
export interface RunFeed {
  /** The next events; none when there are none yet. */
  readAfter(position: number): Promise<FeedRead>;
  /** Where the run stands now; undefined when it is gone. */
  readStanding(): Promise<RunStanding | undefined>;
  /** Lets go of the feed; the last to do so frees it. */
  release(): void;
}

/**
 * One feed per followed run. However many clients follow it, an event is read and serialised once: clients at
 * the same position share one query, and the newest events stay in memory while anybody follows.
 */
export function createRunFeeds(deps: { readonly knex: Knex; readonly notices: RunNotices }) {
  const feeds = new Map<string, FeedState>();
  deps.notices.onNotice((notice) => {
    if (notice) feeds.get(notice.runId)?.forgetReads();
    else for (const feed of feeds.values()) feed.forgetReads();
  });

  return {
    /** The feed of a run. Release it. */
    acquire(runId: string): RunFeed {
      const feed = feeds.get(runId) ?? new FeedState(deps.knex, runId);
      feeds.set(runId, feed);
      feed.followers += 1;
      let isReleased = false;
      return {
        readAfter: async (position) => await feed.readAfter(position),
        readStanding: async () => await feed.readStanding(),
        release() {
          if (isReleased) return;
          isReleased = true;
          feed.followers -= 1;
          if (feed.followers === 0) feeds.delete(runId);
        },
      };
    },
    /** Runs that are followed now. */
    get size(): number {
      return feeds.size;
    },
  };
}

/** See {@link createRunFeeds}. */
export type RunFeeds = ReturnType<typeof createRunFeeds>;

/** A question to PostgreSQL that several clients wait for. */
interface Shared<Answer> {
  readonly askedAt: number;
  readonly answer: Promise<Answer>;
}

/** So long may "nothing new" be told again: a thousand idle clients then ask once a second, not a thousand times. */
const SHARE_MS = 1000;

function isFresh(read: Shared<unknown>): boolean {
  return Date.now() - read.askedAt < SHARE_MS;
}

class FeedState {
  followers = 0;
  readonly #knex: Knex;
  readonly #runId: string;
  /** The newest events read, without gaps. */
  #kept: EventFrame[] = [];
  #keptChars = 0;
  /** Of the last read; a guess before the first. */
  #averageChars = 2000;
  /**
   * Questions under way, by position, and those just answered with "nothing". A notice empties both: whoever asks
   * after it must not be given the answer to a question that was put before the commit.
   */
  readonly #reads = new Map<number, Shared<FeedRead>>();
  #standing: Shared<RunStanding | undefined> | undefined;

  constructor(knex: Knex, runId: string) {
    this.#knex = knex;
    this.#runId = runId;
  }

  forgetReads(): void {
    this.#reads.clear();
    this.#standing = undefined;
  }

  async readAfter(position: number): Promise<FeedRead> {
    const kept = this.#findKept(position);
    if (kept.length > 0) return { frames: kept, isComplete: false };
    const known = this.#reads.get(position);
    if (known && isFresh(known)) return await known.answer;
    const read = { askedAt: Date.now(), answer: this.#query(position) };
    this.#reads.set(position, read);
    try {
      const answer = await read.answer;
      if (answer.frames.length > 0) this.#forgetRead(position, read);
      return answer;
    } catch (error) {
      this.#forgetRead(position, read);
      throw error;
    }
  }

  async readStanding(): Promise<RunStanding | undefined> {
    if (this.#standing && isFresh(this.#standing)) return await this.#standing.answer;
    const read = { askedAt: Date.now(), answer: readStanding(this.#knex, this.#runId) };
    this.#standing = read;
    try {
      return await read.answer;
    } catch (error) {
      if (this.#standing === read) this.#standing = undefined;
      throw error;
    }
  }

  async #query(position: number): Promise<FeedRead> {
    const limit = this.#readLimit();
    const frames = await readRunFrames(this.#knex, this.#runId, position, limit);
    this.#keep(frames);
    return { frames, isComplete: frames.length < limit };
  }

  #forgetRead(position: number, read: Shared<FeedRead>): void {
    if (this.#reads.get(position) === read) this.#reads.delete(position);
  }

  #findKept(position: number): readonly EventFrame[] {
    const first = this.#kept[0];
    if (!first || position + 1 < first.seq) return [];
    const start = position + 1 - first.seq;
    return this.#kept.slice(start, start + MOST_READ_FRAMES);
  }

  #readLimit(): number {
    const fitting = Math.floor(READ_CHARS / this.#averageChars);
    return Math.min(MOST_READ_FRAMES, Math.max(LEAST_READ_FRAMES, fitting));
  }

  /** Appends what follows the kept events, or starts anew with something newer: late readers of history change nothing. */
  #keep(frames: readonly EventFrame[]): void {
    if (frames.length > 0) {
      this.#averageChars = frames.reduce((sum, frame) => sum + frame.json.length, 0) / frames.length;
    }
    const newest = this.#kept.at(-1)?.seq;
    const fresh = newest === undefined ? frames : frames.filter((frame) => frame.seq > newest);
    const [next] = fresh;
    if (!next) return;
    if (newest !== undefined && next.seq !== newest + 1) {
      this.#kept = [];
      this.#keptChars = 0;
    }
    for (const frame of fresh) {
      this.#kept.push(frame);
      this.#keptChars += frame.json.length;
    }
    this.#trim();
  }

  #trim(): void {
    let dropCount = Math.max(0, this.#kept.length - MOST_KEPT_FRAMES);
    let chars = this.#kept.slice(0, dropCount).reduce((sum, frame) => sum + frame.json.length, 0);
    while (this.#keptChars - chars > MOST_KEPT_CHARS && dropCount < this.#kept.length) {
      chars += this.#kept[dropCount]?.json.length ?? 0;
      dropCount += 1;
    }
    if (dropCount === 0) return;
    this.#kept = this.#kept.slice(dropCount);
    this.#keptChars -= chars;
  }
}

async function readStanding(knex: Knex, runId: string): Promise<RunStanding | undefined> {
  const run = await knex("workflow_runs").first("status", "last_seq").where("id", runId);
  if (!run) return undefined;
  const status = run.status as RunStatus;
  if (!isRunTerminal(status)) return { status, endSeq: undefined };
  // backwards along the primary key: the terminal event is the last, or close to it
  const end = await knex("run_events")
    .first("seq")
    .where("run_id", runId)
    .whereIn("type", ["run.succeeded", "run.failed", "run.canceled"])
    .orderBy("seq", "desc");
  return { status, endSeq: (end?.seq as number | undefined) ?? (run.last_seq as number) };
}
