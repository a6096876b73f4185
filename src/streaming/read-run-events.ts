import type { RunEvent } from "../contracts/run-events.js";
import type { RunFeeds } from "./run-feeds.js";
import type { RunNotices } from "./run-notices.js";

/** Which events, and how long to wait for them. */
export interface ReadRunEvents {
  readonly runId: string;
  /** The number of the last event that is known. */
  readonly after: number;
  readonly ms: number;
  readonly signal: AbortSignal;
  readonly feeds: RunFeeds;
  readonly notices: RunNotices;
}

/** A run's events after a position, in order; waits for the first up to `ms`. None: there was none, or the signal. */
export async function readRunEvents(options: ReadRunEvents): Promise<RunEvent[]> {
  // watching before the first read: an event committed in between is news
  const watch = options.notices.watchRun(options.runId);
  const feed = options.feeds.acquire(options.runId);
  const read = async () => {
    const { frames } = await feed.readAfter(options.after);
    return frames.map((frame) => JSON.parse(frame.json) as RunEvent);
  };
  try {
    const known = await read();
    if (known.length > 0) return known;
    await watch.wait(options.ms, options.signal);
    return options.signal.aborted ? [] : await read();
  } finally {
    feed.release();
    watch.close();
  }
}
