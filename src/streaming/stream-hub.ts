import { setMaxListeners } from "node:events";
import type { ServerResponse } from "node:http";
import type { Knex } from "knex";
import type { RunEvent } from "../contracts/run-events.js";
import type { PubSub } from "../events/pub-sub.js";
import type { Logger } from "../observability/logger.js";
import type { Metrics } from "../observability/metrics.js";
import { type AllRunsFeed, createAllRunsFeed } from "./all-runs-feed.js";
import type { TimePosition } from "./event-frames.js";
import { followAllRuns } from "./follow-all-runs.js";
import { followRun } from "./follow-run.js";
import { readRunEvents } from "./read-run-events.js";
import { createRunFeeds, type RunFeeds } from "./run-feeds.js";
import { createRunNotices, type RunNotices } from "./run-notices.js";
import {
  DEFAULT_SSE_TIMINGS,
  openSseConnection,
  type SseConnection,
  type SseTimings,
} from "./sse-connection.js";
import { waitForRun } from "./wait-for-run.js";

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
  const shutdown = new AbortController();
  // one listener per open stream is no leak
  setMaxListeners(0, shutdown.signal);
  const parts: HubParts = {
    knex,
    logger,
    notices,
    feeds: createRunFeeds({ knex, notices }),
    allRuns: createAllRunsFeed({ knex }),
    connect: (response) => openSseConnection({ response, shutdown: shutdown.signal, timings }),
  };
  const { feeds } = parts;
  const open = new Set<Promise<void>>();

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
      await track(serveRun(parts, runId, after, response));
    },

    /** Writes all runs' `run.*` events to a response until the client is gone. Never rejects. */
    async streamAllRuns(after: TimePosition | undefined, response: ServerResponse): Promise<void> {
      await track(serveAllRuns(parts, after, response));
    },

    /** Resolves when a run has ended, after `ms`, or when the signal is aborted; says whether it has ended. */
    async waitForRun(runId: string, ms: number, signal: AbortSignal): Promise<boolean> {
      return await waitForRun({ runId, ms, signal, shutdown: shutdown.signal, feeds, notices });
    },

    /** A run's events after a position, in order; waits for the first up to `ms`. None: there was none, or the signal. */
    async readRunEvents(runId: string, after: number, ms: number, signal: AbortSignal): Promise<RunEvent[]> {
      return await readRunEvents({ runId, after, ms, signal, feeds, notices });
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

interface HubParts {
  readonly knex: Knex;
  readonly logger: Logger;
  readonly notices: RunNotices;
  readonly feeds: RunFeeds;
  readonly allRuns: AllRunsFeed;
  connect(response: ServerResponse): SseConnection;
}

async function serveRun(
  parts: HubParts,
  runId: string,
  after: number,
  response: ServerResponse,
): Promise<void> {
  // watching before the first read: an event committed in between is news
  const watch = parts.notices.watchRun(runId);
  const feed = parts.feeds.acquire(runId);
  const connection = parts.connect(response);
  try {
    await followRun({ runId, after, feed, watch, connection, logger: parts.logger });
  } finally {
    connection.close();
    feed.release();
    watch.close();
  }
}

async function serveAllRuns(
  parts: HubParts,
  after: TimePosition | undefined,
  response: ServerResponse,
): Promise<void> {
  const watch = parts.notices.watchAllRuns();
  const connection = parts.connect(response);
  try {
    await followAllRuns({ ...parts, feed: parts.allRuns, watch, connection, after });
  } finally {
    connection.close();
    watch.close();
  }
}
