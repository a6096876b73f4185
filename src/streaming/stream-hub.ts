import type { ServerResponse } from "node:http";
import type { Knex } from "knex";
import { isRunTerminal } from "../core/statuses.js";
import type { PubSub } from "../events/pub-sub.js";
import type { Logger } from "../observability/logger.js";
import type { Metrics } from "../observability/metrics.js";
import { createAllRunsFeed } from "./all-runs-feed.js";
import type { TimePosition } from "./event-frames.js";
import { followAllRuns } from "./follow-all-runs.js";
import { followRun, POLL_MS } from "./follow-run.js";
import { createRunFeeds } from "./run-feeds.js";
import { createRunNotices } from "./run-notices.js";
import { DEFAULT_SSE_TIMINGS, openSseConnection, type SseTimings } from "./sse-connection.js";

/** What the hub works with. */
export interface StreamHubDeps {
  readonly pubSub: PubSub;
  readonly knex: Knex;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly timings?: Partial<SseTimings>;
}

/** What a client of one run's stream is told at the door. */
export type StreamEntry = "unknown" | "ended" | "open";

/**
 * Live events for everybody who is connected to this process: one subscription, one read per event, however many
 * listen. Call `start` before the first client and `close` at shutdown.
 */
export function createStreamHub(deps: StreamHubDeps) {
  const { knex, logger, metrics } = deps;
  const timings = { ...DEFAULT_SSE_TIMINGS, ...deps.timings };
  const notices = createRunNotices({ pubSub: deps.pubSub });
  const feeds = createRunFeeds({ knex, notices });
  const allRuns = createAllRunsFeed({ knex });
  const shutdown = new AbortController();
  const open = new Set<Promise<void>>();

  function connect(response: ServerResponse) {
    return openSseConnection({ response, shutdown: shutdown.signal, timings });
  }

  /** Counts the client and remembers it, so that closing can wait for it. */
  async function track(work: Promise<void>): Promise<void> {
    open.add(work);
    metrics.streamClients.inc();
    try {
      await work;
    } finally {
      open.delete(work);
      metrics.streamClients.dec();
    }
  }

  async function runClient(runId: string, after: number, response: ServerResponse): Promise<void> {
    const feed = feeds.acquire(runId);
    const watch = notices.watchRun(runId);
    const connection = connect(response);
    try {
      await followRun({ runId, after, feed, watch, connection, logger });
    } finally {
      connection.close();
      watch.close();
      feed.release();
    }
  }

  async function allRunsClient(after: TimePosition | undefined, response: ServerResponse): Promise<void> {
    const watch = notices.watchAllRuns();
    const connection = connect(response);
    try {
      await followAllRuns({ knex, feed: allRuns, watch, connection, logger, after });
    } finally {
      connection.close();
      watch.close();
    }
  }

  return {
    /** Subscribes. Resolves when notices published from now on will arrive. */
    async start(): Promise<void> {
      await notices.start();
    },

    /** Whether there is such a run, and whether anything is left to send after a position. */
    async judgeEntry(runId: string, after: number): Promise<StreamEntry> {
      const feed = feeds.acquire(runId);
      try {
        const standing = await feed.readStanding();
        if (!standing) return "unknown";
        return standing.endSeq !== undefined && standing.endSeq <= after ? "ended" : "open";
      } finally {
        feed.release();
      }
    },

    /** Writes one run's events to a response until the run has ended or the client is gone. Never rejects. */
    async streamRun(runId: string, after: number, response: ServerResponse): Promise<void> {
      await track(runClient(runId, after, response));
    },

    /** Writes all runs' `run.*` events to a response until the client is gone. Never rejects. */
    async streamAllRuns(after: TimePosition | undefined, response: ServerResponse): Promise<void> {
      await track(allRunsClient(after, response));
    },

    /** Resolves when a run has ended, after `ms`, or when the signal is aborted; says whether it has ended. */
    async waitForRun(runId: string, ms: number, signal: AbortSignal): Promise<boolean> {
      const feed = feeds.acquire(runId);
      const watch = notices.watchRun(runId);
      // AbortSignal.any would be held by the hub's own signal until shutdown
      const stop = new AbortController();
      const onStop = () => stop.abort();
      for (const source of [signal, shutdown.signal]) source.addEventListener("abort", onStop);
      if (signal.aborted || shutdown.signal.aborted) onStop();
      const deadline = Date.now() + ms;
      try {
        for (;;) {
          const standing = await feed.readStanding();
          if (!standing || isRunTerminal(standing.status)) return true;
          const leftMs = deadline - Date.now();
          if (leftMs <= 0 || stop.signal.aborted) return false;
          await watch.wait(Math.min(leftMs, POLL_MS), stop.signal);
        }
      } finally {
        for (const source of [signal, shutdown.signal]) source.removeEventListener("abort", onStop);
        watch.close();
        feed.release();
      }
    },

    /** Ends every stream politely and unsubscribes. */
    async close(): Promise<void> {
      shutdown.abort();
      await Promise.allSettled([...open]);
      await notices.close();
    },
  };
}

/** See {@link createStreamHub}. */
export type StreamHub = ReturnType<typeof createStreamHub>;
