import type { Knex } from "knex";
import { isRunTerminal, type RunStatus } from "../src/core/statuses.js";
import type { PubSub, RunNotice } from "../src/events/pub-sub.js";
import { createPendingRuns } from "./pending-runs.js";
import { DRIVER_MARK } from "./statement-counter.js";

/** Watches runs until it is closed. */
export interface RunEndings {
  /** Resolves when the run has succeeded. @throws Error when it ended otherwise, or not within the limit. */
  wait(runId: string): Promise<void>;
  close(): Promise<void>;
}

/** How long a lost notice may go unseen. */
const SWEEP_MS = 2_000;
/** Runs whose notices are remembered before anybody waits for them. */
const MOST_EARLY = 10_000;

/**
 * Learns of the ends of runs from the notices that follow each commit, one message for the runs of a flush, as raw's
 * driver does from its own; what a notice lost would have said is read from PostgreSQL now and then.
 */
export async function watchRunEndings(options: {
  knex: Knex;
  pubSub: PubSub;
  limitMs: number;
}): Promise<RunEndings> {
  const { knex } = options;
  const pending = createPendingRuns(options.limitMs);
  // a run may end before the call that started it returns its id
  const early = new Map<string, RunStatus>();
  let reading: Promise<void> | undefined;

  function settle(runId: string, status: RunStatus): void {
    if (status === "succeeded") pending.end(runId);
    else if (isRunTerminal(status)) pending.fail(runId, new Error(`run ${runId} has ${status}`));
  }

  async function sweep(): Promise<void> {
    const ids = pending.ids();
    if (ids.length === 0) return;
    const result = await knex.raw(
      `SELECT id, status AS ${DRIVER_MARK} FROM workflow_runs WHERE id = ANY(?)`,
      [ids],
    );
    for (const row of result.rows as { id: string; [DRIVER_MARK]: RunStatus }[])
      settle(row.id, row[DRIVER_MARK]);
  }

  function hear({ runId, ended }: RunNotice): void {
    if (ended === undefined) return;
    if (pending.has(runId)) return settle(runId, ended);
    if (early.size >= MOST_EARLY) early.clear();
    early.set(runId, ended);
  }

  const unsubscribe = await options.pubSub.subscribe("run-events", ({ runs }) => runs.forEach(hear));
  const timer = setInterval(() => {
    reading ??= sweep()
      .catch(() => undefined) // the next one may get through; a run that nobody hears of fails by its limit
      .finally(() => {
        reading = undefined;
      });
  }, SWEEP_MS);

  return {
    async wait(runId) {
      const ended = pending.wait(runId);
      const status = early.get(runId);
      early.delete(runId);
      if (status !== undefined) settle(runId, status);
      await ended;
    },
    async close() {
      clearInterval(timer);
      await unsubscribe();
      await reading;
    },
  };
}
