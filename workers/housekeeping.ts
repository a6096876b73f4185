import type { Platform } from "../src/container.js";
import { createRunServices } from "../src/run-services.js";
import { tidyApps } from "../src/services/apps/app-rows.js";
import { failLostApps } from "../src/services/apps/lost-apps.js";
import { createLeadership } from "../src/services/engine/leadership.js";
import { createTimers } from "../src/services/engine/timers.js";
import { createReconciler } from "../src/services/engine/reconciler.js";
import { tidyStepGrants } from "../src/services/engine/step-throttle.js";
import { rollRunStats } from "../src/services/run-stats/roll-run-stats.js";
import { tidyDeliveries } from "../src/services/webhooks/delivery-log.js";
import { startBulkOperations } from "./bulk-task.js";
import { type Loop, startLoop } from "./loop.js";
import { startRetention } from "./retention-task.js";

const LOOK_EVERY_MS = 2000;
/** A turn that a dead process left is taken within two seconds. */
const ADMIT_EVERY_MS = 1500;
/** A wait lasts at most so much longer than it should. */
const WAKE_EVERY_MS = 400;
/** Events that the statistics do not hold yet are read with them, so they should be few. */
const ROLL_EVERY_MS = 10_000;
const LEASE_MS = 8000;
const TIDY_EVERY_MS = 600_000;

/**
 * The reconciler, in whichever process leads. Workers run it too, so that a dead worker's steps come back even
 * where no scheduler process was started.
 */
export function startHousekeeping(platform: Platform): Loop {
  const { knex, engine, runQueue, closeRun, metrics, logger } = platform;
  const leadership = createLeadership({ knex, name: "reconciler", leaseMs: LEASE_MS });
  const { followOutcome, subRuns } = platform;
  const reconciler = createReconciler({
    knex,
    engine,
    runQueue,
    closeRun,
    followOutcome,
    subRuns,
    metrics,
    logger,
  });
  const timers = createTimers({ knex, engine, followOutcome, metrics });
  let tidiedAt = 0;
  const loop = startLoop({ everyMs: LOOK_EVERY_MS, name: "reconciler", logger }, async () => {
    if (!(await leadership.claim())) return;
    await reconciler.reconcile();
    await failLostApps({ knex, engine, followOutcome });
    if (Date.now() - tidiedAt < TIDY_EVERY_MS) return;
    await reconciler.tidy();
    await tidyDeliveries(knex);
    await tidyStepGrants(knex);
    await tidyApps(knex);
    tidiedAt = Date.now();
  });
  // beside the reconciler: its long looks must not make held runs wait
  const admitting = startLoop({ everyMs: ADMIT_EVERY_MS, name: "admission", logger }, async () => {
    if (await leadership.claim()) await platform.admission.sweep();
  });
  const waking = startLoop({ everyMs: WAKE_EVERY_MS, name: "timers", logger }, async () => {
    if (await leadership.claim()) await timers.wakeDue();
  });
  let isStopping = false;
  const rolling = startLoop({ everyMs: ROLL_EVERY_MS, name: "run statistics", logger }, async () => {
    while (!isStopping && (await leadership.claim()) && (await rollRunStats(knex)));
  });
  const retention = startRetention(platform);
  const bulk = startBulkOperations(platform, createRunServices(platform).commands);
  return {
    async stop() {
      isStopping = true;
      await rolling.stop();
      await retention.stop();
      await bulk.stop();
      await waking.stop();
      await admitting.stop();
      await loop.stop();
      await leadership.resign();
    },
  };
}
