import { setTimeout as sleep } from "node:timers/promises";
import type { Platform } from "../src/container.js";
import { createBulkRunner } from "../src/services/bulk-operations/bulk-runner.js";
import { createLeadership } from "../src/services/engine/leadership.js";
import type { RunCommands } from "../src/services/runs/run-commands.js";
import { type Loop, startLoop } from "./loop.js";

const LOOK_EVERY_MS = 1000;
/** How often the rate is given something to do while there is work. */
const STEP_EVERY_MS = 100;
const LEASE_MS = 15_000;

/** Bulk operations, in whichever process leads them. While there are none, it only looks whether there are. */
export function startBulkOperations(
  platform: Pick<Platform, "knex" | "audit" | "logger">,
  commands: Pick<RunCommands, "cancel" | "rerun">,
): Loop {
  const { knex, audit, logger } = platform;
  const stopping = new AbortController();
  const leadership = createLeadership({ knex, name: "bulk", leaseMs: LEASE_MS });
  const runner = createBulkRunner({ knex, commands, audit, logger });

  async function hasWork(): Promise<boolean> {
    return (await knex("bulk_operations").first("id").whereNull("finished_at")) !== undefined;
  }

  const loop = startLoop({ everyMs: LOOK_EVERY_MS, name: "bulk", logger }, async () => {
    if (!(await hasWork())) return;
    while (
      !stopping.signal.aborted &&
      (await leadership.claim()) &&
      (await runner.advance(stopping.signal))
    ) {
      // an abort ends the pause early: the loop's own end, not a failure
      await sleep(STEP_EVERY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  });
  return {
    async stop() {
      stopping.abort();
      await loop.stop();
      await leadership.resign();
    },
  };
}
