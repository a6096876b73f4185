import { setTimeout as sleep } from "node:timers/promises";
import { isUnreachable } from "../../src/errors/is-unreachable.js";
import type { Logger } from "../../src/observability/logger.js";

/** How long work is kept while the database is away; by then a step has long been given to another worker. */
const AWAY_LIMIT_MS = 10 * 60_000;
const LONGEST_PAUSE_MS = 2000;

/** How one piece of work is tried again. */
export interface AwayRetry {
  readonly logger: Logger;
  readonly runId: string;
  /** For the log: "result", "log lines". */
  readonly what: string;
  /** Ends the waiting early; the last error is then thrown. */
  readonly signal?: AbortSignal;
  /** Whether an error may pass by itself. Default: the server is out of reach. */
  readonly mayPass?: (error: unknown) => boolean;
  /** Told before the first pause. */
  onAway?(): void;
}

/**
 * Does something with the database, again and again while it is out of reach: what took an hour to make is not dropped
 * for a restart of the database. The work must bear being done twice.
 * @throws the last error when it is of another kind, the signal is aborted or ten minutes are over.
 */
export async function retryWhileAway<T>(retry: AwayRetry, work: () => Promise<T>): Promise<T> {
  const { logger, runId, what, signal, mayPass = isUnreachable } = retry;
  const deadline = performance.now() + AWAY_LIMIT_MS;
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!mayPass(error) || signal?.aborted || performance.now() > deadline) throw error;
      if (tries === 1) retry.onAway?.();
      logger.warn({ err: error, runId, tries }, `${what} not stored, trying again`);
      // an abort ends the pause early, and the next try is the last
      await sleep(Math.min(100 * 2 ** tries, LONGEST_PAUSE_MS), undefined, { signal }).catch(() => undefined);
    }
  }
}
