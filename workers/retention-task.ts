import { schedule } from "node-cron";
import type { Platform } from "../src/container.js";
import { createAuditKeeper } from "../src/services/audit/audit-keeper.js";
import { createLeadership } from "../src/services/engine/leadership.js";
import { createRetention } from "../src/services/retention/retention.js";
import { createStepCache } from "../src/services/step-cache/step-cache.js";
import type { Loop } from "./loop.js";

/** At night, UTC; and once when a process starts, for installations that do not run through the night. */
const RETENTION_CRON = "23 3 * * *";
/** Each hour a checkpoint of the audit log. */
const AUDIT_CRON = "7 * * * *";
const CACHE_CRON = "47 * * * *";
const LEASE_MS = 3_600_000;

/**
 * Removal of what is old: runs by `RETENTION_DAYS`, if it is set, entries of the audit log by `AUDIT_RETENTION_DAYS`, and
 * cached results that have expired; and checkpoints of the audit log. Every process
 * with housekeeping has it; the one that is first does the work.
 */
export function startRetention(platform: Platform): Loop {
  const { knex, audit, logger, settings } = platform;
  const stopping = new AbortController();
  const leadership = createLeadership({ knex, name: "retention", leaseMs: LEASE_MS });
  const cache = createStepCache({ knex });
  const underWay = new Set<Promise<void>>();

  async function lead(work: () => Promise<unknown>): Promise<void> {
    try {
      if (!(await leadership.claim())) return;
      await work();
      await leadership.resign();
    } catch (error) {
      if (!stopping.signal.aborted) logger.warn({ err: error }, "removal of what is old was cut off");
      await leadership.resign().catch(() => undefined); // the lease ends by itself
    }
  }

  async function start(work: () => Promise<unknown>): Promise<void> {
    const running = lead(work);
    underWay.add(running);
    await running;
    underWay.delete(running);
  }

  const options = { timezone: "UTC", noOverlap: true, unref: true, logger: toCronLogger(logger) };
  const keeper = createAuditKeeper({
    ...{ knex, logger, keys: platform.keys },
    days: settings.AUDIT_RETENTION_DAYS,
  });
  const keepAudit = () =>
    start(async () => {
      await keeper.prune(stopping.signal);
      await keeper.noteHead();
    });
  const tasks = [
    schedule(AUDIT_CRON, keepAudit, options),
    schedule(CACHE_CRON, () => start(async () => await cache.tidy(stopping.signal)), options),
  ];
  if (settings.RETENTION_DAYS !== undefined) {
    const files = platform.artifactFiles;
    const retention = createRetention({ knex, files, audit, logger, days: settings.RETENTION_DAYS });
    const pass = () => start(async () => await retention.apply(stopping.signal));
    tasks.push(schedule(RETENTION_CRON, pass, options));
    void pass();
  }
  return {
    async stop() {
      stopping.abort();
      await Promise.all(tasks.map((task) => task.destroy()));
      await Promise.all(underWay);
    },
  };
}

function toCronLogger(logger: Platform["logger"]) {
  return {
    info: (message: string) => logger.debug(message),
    warn: (message: string) => logger.warn(message),
    error: (message: string | Error, error?: Error) => logger.warn({ err: error ?? message }, "timer failed"),
    debug: (message: string | Error) => logger.trace({ detail: String(message) }, "timer"),
  };
}
