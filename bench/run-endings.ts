import type { Knex } from "knex";
import { isRunTerminal, type RunStatus } from "../src/core/statuses.js";
import type { PubSub } from "../src/events/pub-sub.js";
import { createPendingRuns } from "./pending-runs.js";
import { DRIVER_MARK } from "./statement-counter.js";

/** Watches runs until it is closed. */
export interface RunEndings {
  /** Resolves when the run has succeeded. @throws Error when it ended otherwise, or not within the limit. */
  wait(runId: string): Promise<void>;
  close(): Promise<void>;
}

/** How long a lost notice may go unseen. */
const SWEEP_MS = 500;
/** Runs whose notices are remembered before anybody waits for them. */
const MOST_EARLY = 10_000;

/**
 * Learns of the ends of runs as a client of the API would: a notice says that something happened to a run,
 * and PostgreSQL says what. The reads are batched: notices that arrive during one read share the next.
 */
export async function watchRunEndings(options: {
  knex: Knex;
  pubSub: PubSub;
  limitMs: number;
}): Promise<RunEndings> {
  const { knex } = options;
  const pending = createPendingRuns(options.limitMs);
  // a run may end before the call that started it returns its id
  const early = new Map<string, number>();
  let noticed = new Set<string>();
  let reading: Promise<void> | undefined;

  function look(): void {
    reading ??= readAll().finally(() => {
      reading = undefined;
    });
  }

  async function readAll(): Promise<void> {
    // whatever else this turn of the loop brings joins the first read
    await new Promise((resolve) => setImmediate(resolve));
    while (noticed.size > 0) {
      const ids = [...noticed];
      noticed = new Set();
      try {
        await settle(ids);
      } catch (error) {
        for (const id of ids) pending.fail(id, error as Error);
      }
    }
  }

  async function settle(ids: string[]): Promise<void> {
    const result = await knex.raw(
      `SELECT id, status AS ${DRIVER_MARK} FROM workflow_runs WHERE id = ANY(?)`,
      [ids],
    );
    for (const row of result.rows as { id: string; [DRIVER_MARK]: RunStatus }[]) {
      const status = row[DRIVER_MARK];
      if (status === "succeeded") pending.end(row.id);
      else if (isRunTerminal(status)) pending.fail(row.id, new Error(`run ${row.id} has ${status}`));
    }
  }

  function notice(runId: string): void {
    if (pending.has(runId)) {
      noticed.add(runId);
      return;
    }
    if (early.size >= MOST_EARLY) early.clear();
    early.set(runId, (early.get(runId) ?? 0) + 1);
  }

  const unsubscribe = await options.pubSub.subscribe("run-events", ({ runs }) => {
    for (const { runId, isRunEvent } of runs) if (isRunEvent) notice(runId);
    if (noticed.size > 0) look();
  });
  const sweep = setInterval(() => {
    for (const id of pending.ids()) noticed.add(id);
    if (noticed.size > 0) look();
  }, SWEEP_MS);

  return {
    async wait(runId) {
      const ended = pending.wait(runId);
      // the first notice is of the start itself
      if ((early.get(runId) ?? 0) > 1) {
        noticed.add(runId);
        look();
      }
      early.delete(runId);
      await ended;
    },
    async close() {
      clearInterval(sweep);
      await unsubscribe();
      await reading;
    },
  };
}
