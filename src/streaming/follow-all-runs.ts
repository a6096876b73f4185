import { setTimeout as sleep } from "node:timers/promises";
import type { Knex } from "knex";
import { toError } from "../errors/app-error.js";
import type { Logger } from "../observability/logger.js";
import { type AllRunsFeed, inRunOrder, replayStart } from "./all-runs-feed.js";
import { readTimedFrames, type TimePosition, toSseText } from "./event-frames.js";
import { POLL_MS } from "./follow-run.js";
import { toResumeToken } from "./resume-token.js";
import type { Watch } from "./run-notices.js";
import type { SseConnection } from "./sse-connection.js";

const REPLAY_PAGE = 500;
const MOST_FAILED_READS = 30;
const READ_RETRY_MS = 1000;

/** What one client of the stream of all runs needs. */
export interface FollowAllRuns {
  readonly knex: Knex;
  readonly feed: AllRunsFeed;
  readonly watch: Watch;
  readonly connection: SseConnection;
  readonly logger: Logger;
  /** Undefined: from now on. */
  readonly after: TimePosition | undefined;
}

/**
 * Sends `run.*` events of all runs as they happen. A client that falls behind what is kept in memory is closed;
 * its token brings it back through PostgreSQL. Never rejects.
 */
export async function followAllRuns(options: FollowAllRuns): Promise<void> {
  const { feed, watch, connection, logger } = options;
  const { signal } = connection;
  let failedReads = 0;
  let client: { index: number; readonly replayed: ReadonlySet<string> } | undefined;
  while (!signal.aborted) {
    try {
      await feed.refresh();
      client ??= await join(options);
      const isKept = await writeEntries(connection, feed, client);
      if (!isKept) return;
      failedReads = 0;
      await watch.wait(POLL_MS, signal);
    } catch (error) {
      if (signal.aborted) return;
      failedReads += 1;
      logger.warn({ err: toError(error), failedReads }, "stream of all runs: read failed");
      if (failedReads >= MOST_FAILED_READS) return;
      await sleep(READ_RETRY_MS, undefined, { signal }).catch(() => undefined); // the loop's condition judges
    }
  }
}

/** Brings a client to the feed: at its end, where its token stands, or after a replay from PostgreSQL. */
async function join(options: FollowAllRuns): Promise<{ index: number; replayed: ReadonlySet<string> }> {
  const { feed, after } = options;
  const known = after && feed.findToken(toResumeToken(after));
  if (!after || known !== undefined) return { index: known ?? feed.end, replayed: new Set() };
  const index = feed.end;
  return { index, replayed: await replay(options, after) };
}

/** Sends what happened since; returns the last of it, which the feed may be about to send again. */
async function replay(options: FollowAllRuns, after: TimePosition): Promise<ReadonlySet<string>> {
  const { knex, connection } = options;
  const own = toResumeToken(after);
  let last: string[] = [];
  let position = replayStart(after);
  for (;;) {
    connection.signal.throwIfAborted();
    const page = await readTimedFrames(knex, position, REPLAY_PAGE);
    const frames = inRunOrder(page).filter((timed) => toResumeToken(timed.position) !== own);
    const text = frames.map((timed) => toSseText(toResumeToken(timed.position), timed.frame)).join("");
    if (text !== "") await connection.write(text);
    last = [...last, ...frames.map((timed) => toResumeToken(timed.position))].slice(-20 * REPLAY_PAGE);
    const end = page.at(-1);
    if (page.length < REPLAY_PAGE || !end) return new Set(last);
    position = end.position;
  }
}

/** Whether the feed still keeps all that the client has not had. */
async function writeEntries(
  connection: SseConnection,
  feed: AllRunsFeed,
  client: { index: number; readonly replayed: ReadonlySet<string> },
): Promise<boolean> {
  for (;;) {
    const entries = feed.readFrom(client.index);
    if (!entries) return false;
    const last = entries.at(-1);
    if (!last) return true;
    const text = entries
      .filter((entry) => !client.replayed.has(entry.token))
      .map((entry) => toSseText(entry.token, entry.timed.frame))
      .join("");
    if (text !== "") await connection.write(text);
    client.index = last.index + 1;
  }
}
