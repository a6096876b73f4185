import type { Platform } from "../src/container.js";
import { createLeadership } from "../src/services/engine/leadership.js";
import { createReconciler } from "../src/services/engine/reconciler.js";
import { type Loop, startLoop } from "./loop.js";

const LOOK_EVERY_MS = 2000;
const LEASE_MS = 8000;
const TIDY_EVERY_MS = 600_000;

/**
 * The reconciler, in whichever process leads. Workers run it too, so that a dead worker's steps come back even
 * where no scheduler process was started.
 */
export function startHousekeeping(platform: Platform): Loop {
  const { knex, engine, runQueue, closeRun, metrics, logger } = platform;
  const leadership = createLeadership({ knex, name: "reconciler", leaseMs: LEASE_MS });
  const reconciler = createReconciler({ knex, engine, runQueue, closeRun, metrics, logger });
  let tidiedAt = 0;
  const loop = startLoop({ everyMs: LOOK_EVERY_MS, name: "reconciler", logger }, async () => {
    if (!(await leadership.claim())) return;
    await reconciler.reconcile();
    if (Date.now() - tidiedAt < TIDY_EVERY_MS) return;
    await reconciler.tidy();
    tidiedAt = Date.now();
  });
  return {
    async stop() {
      await loop.stop();
      await leadership.resign();
    },
  };
}
