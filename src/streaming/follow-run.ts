import { setTimeout as sleep } from "node:timers/promises";
import { toError } from "../errors/app-error.js";
import type { Logger } from "../observability/logger.js";
import { type EventFrame, toSseText } from "./event-frames.js";
import type { RunFeed } from "./run-feeds.js";
import type { Watch } from "./run-notices.js";
import type { SseConnection } from "./sse-connection.js";

/** Notices may be lost; so long at most does an event then wait for its readers. */
export const POLL_MS = 5000;
/** PostgreSQL may be away for so long before a stream gives up; its client resumes where it was. */
const MOST_FAILED_READS = 30;
const READ_RETRY_MS = 1000;
/** Frames are handed over in pieces of about this size. */
const PIECE_CHARS = 16 * 1024;

/**
 * Sends one run's events from a position on, in order and without gaps, until the run has ended (then `event: end`),
 * the connection is over, or PostgreSQL stays out of reach. Never rejects.
 */
export async function followRun(options: {
  readonly runId: string;
  readonly after: number;
  readonly feed: RunFeed;
  readonly watch: Watch;
  readonly connection: SseConnection;
  readonly logger: Logger;
}): Promise<void> {
  const { feed, watch, connection, logger } = options;
  const { signal } = connection;
  let position = options.after;
  let failedReads = 0;
  while (!signal.aborted) {
    try {
      const { frames, isComplete } = await feed.readAfter(position);
      if (frames.length > 0) position = await writeFrames(connection, frames);
      const isAtEnd =
        frames.some((frame) => frame.isTerminal) || (frames.length === 0 && (await hasEnded(feed, position)));
      if (isAtEnd) return await writeEnd(connection, options.runId);
      failedReads = 0;
      if (!isComplete) continue;
    } catch (error) {
      if (signal.aborted) return;
      failedReads += 1;
      logger.warn({ err: toError(error), runId: options.runId, failedReads }, "event stream read failed");
      if (failedReads >= MOST_FAILED_READS) return;
      await sleep(READ_RETRY_MS, undefined, { signal }).catch(() => undefined); // the loop's condition judges
      continue;
    }
    await watch.wait(POLL_MS, signal);
  }
}

/** Writes up to and including the terminal event; returns the new position. */
async function writeFrames(connection: SseConnection, frames: readonly EventFrame[]): Promise<number> {
  let position = 0;
  let piece = "";
  for (const frame of frames) {
    piece += toSseText(String(frame.seq), frame);
    position = frame.seq;
    if (piece.length >= PIECE_CHARS) {
      await connection.write(piece);
      piece = "";
    }
    if (frame.isTerminal) break;
  }
  if (piece !== "") await connection.write(piece);
  return position;
}

/** The client stands at or beyond the end: it asked for more than there will ever be. */
async function hasEnded(feed: RunFeed, position: number): Promise<boolean> {
  const standing = await feed.readStanding();
  return standing === undefined || (standing.endSeq !== undefined && standing.endSeq <= position);
}

async function writeEnd(connection: SseConnection, runId: string): Promise<void> {
  await connection.write(`event: end\ndata: ${JSON.stringify({ runId })}\n\n`);
}
