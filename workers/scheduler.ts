import type { Platform } from "../src/container.js";
import { openScheduleQueue } from "../src/queues/schedule-queue.js";
import { openScheduleWorker } from "../src/queues/schedule-worker.js";
import { createRunServices } from "../src/run-services.js";
import { createLeadership } from "../src/services/engine/leadership.js";
import { createScheduleFiring } from "../src/services/scheduling/fire-schedules.js";
import { createHintSync } from "../src/services/scheduling/sync-hints.js";
import { startLoop } from "./loop.js";

/** What fires schedules in this process. */
export interface Scheduler {
  /** Lets firings under way end, and gives the lead up. */
  close(): Promise<void>;
}

const SWEEP_EVERY_MS = 2000;
const SYNC_EVERY_MS = 5000;
const LEASE_MS = 8000;
const DRAIN_MS = 3000;

/**
 * Fires schedules: on time by the queue's hints, and within two seconds by looking at the rows when a hint is lost.
 * Any number of processes may run it; each due time is fired once. One of them keeps the queue's job schedulers in
 * step with the rows.
 * @throws AppError NOT_READY when the queue's server does not answer within 10 s.
 */
export async function startScheduler(platform: Platform): Promise<Scheduler> {
  const { knex, queues, logger } = platform;
  const stopping = new AbortController();
  const { commands } = createRunServices(platform);
  const firing = createScheduleFiring({ knex, commands, logger });
  const worker = await openScheduleWorker({ backend: queues, logger, fire: firing.fire });
  const sweep = startLoop({ everyMs: SWEEP_EVERY_MS, name: "schedules", logger }, async () => {
    await firing.sweep(stopping.signal);
  });
  const leadership = createLeadership({ knex, name: "scheduler", leaseMs: LEASE_MS });
  const syncHints = createHintSync({ knex, queue: openScheduleQueue(queues) });
  const sync = startLoop({ everyMs: SYNC_EVERY_MS, name: "job schedulers", logger }, async () => {
    if (await leadership.claim()) await syncHints();
  });
  return {
    async close() {
      stopping.abort(new Error("the scheduler stops"));
      await Promise.all([sweep.stop(), sync.stop(), worker.close({ drainMs: DRAIN_MS })]);
      await leadership.resign();
    },
  };
}
