import { isRunTerminal } from "../core/statuses.js";
import { POLL_MS } from "./follow-run.js";
import type { RunFeeds } from "./run-feeds.js";
import type { RunNotices } from "./run-notices.js";

/** Whom and how long to wait for. */
export interface WaitForRun {
  readonly runId: string;
  readonly ms: number;
  readonly signal: AbortSignal;
  /** The server stops. */
  readonly shutdown: AbortSignal;
  readonly feeds: RunFeeds;
  readonly notices: RunNotices;
}

/** Resolves when a run has ended, after `ms`, or when a signal is aborted; says whether the run has ended. */
export async function waitForRun(options: WaitForRun): Promise<boolean> {
  const { runId, signal, shutdown } = options;
  const feed = options.feeds.acquire(runId);
  const watch = options.notices.watchRun(runId);
  // not AbortSignal.any: the long-lived signal would hold on to each of them until shutdown
  const stop = new AbortController();
  const onStop = () => stop.abort();
  for (const source of [signal, shutdown]) source.addEventListener("abort", onStop);
  if (signal.aborted || shutdown.aborted) onStop();
  const deadline = Date.now() + options.ms;
  try {
    for (;;) {
      const standing = await feed.readStanding();
      if (!standing || isRunTerminal(standing.status)) return true;
      const leftMs = deadline - Date.now();
      if (leftMs <= 0 || stop.signal.aborted) return false;
      await watch.wait(Math.min(leftMs, POLL_MS), stop.signal);
    }
  } finally {
    for (const source of [signal, shutdown]) source.removeEventListener("abort", onStop);
    watch.close();
    feed.release();
  }
}
