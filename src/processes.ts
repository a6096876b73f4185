import type { Settings } from "./config/settings-schema.js";
import { openPlatform, type Platform } from "./container.js";
import { closeInheritedDescriptors } from "./lifecycle/close-inherited-descriptors.js";
import { prepareInstallation } from "./lifecycle/prepare-installation.js";
import { StartupError } from "./lifecycle/startup-error.js";
import { createLogger } from "./observability/logger.js";
import type { Readiness } from "./services/health/readiness.js";
import { VERSION } from "./version.js";

/** A part of Headrace that runs in this process. */
export interface RunningProcess {
  readonly address?: string | undefined;
  close(): Promise<void>;
}

type Role = "api" | "worker" | "scheduler";

async function openRole(
  role: Role,
  settings: Settings,
  start: (platform: Platform) => Promise<RunningProcess>,
): Promise<RunningProcess> {
  if (settings.DATABASE_URL === undefined) throw new Error("DATABASE_URL is not set");
  const logger = createLogger({ level: settings.LOG_LEVEL, name: role });
  // whichever comes first makes the schema and the first admin
  const { applied } = await prepareInstallation(
    { ...settings, DATABASE_URL: settings.DATABASE_URL },
    { onWait: () => logger.info("another process brings the database's schema up to date: waiting for it") },
  );
  if (applied.length > 0) logger.info({ applied }, "schema brought up to date");
  const platform = await openPlatform({ settings, databaseUrl: settings.DATABASE_URL, logger, role });
  try {
    const fault = settings.PRODUCTION ? await platform.queues.checkServer() : undefined;
    if (fault !== undefined) throw new StartupError(fault);
    const running = await start(platform);
    return {
      address: running.address,
      async close() {
        await running.close();
        await platform.close();
      },
    };
  } catch (error) {
    await platform.close();
    throw error;
  }
}

/** Starts the API. `settings.DATABASE_URL` is set by then, to the embedded server if need be. */
export async function startApiProcess(settings: Settings): Promise<RunningProcess> {
  const { startApi } = await import("./api.js");
  return await openRole("api", settings, startApi);
}

/** Starts a worker on the settings' groups. */
export async function startWorkerProcess(settings: Settings): Promise<RunningProcess> {
  closeInheritedDescriptors();
  // an API or scheduler process never loads executors and sandbox
  const { startWorker } = await import("../workers/worker.js");
  return await openRole("worker", settings, async (platform) => {
    const worker = await startWorker(platform, {
      groups: settings.WORKER_GROUPS,
      concurrency: settings.WORKER_CONCURRENCY,
      version: VERSION,
      onStuck() {
        platform.logger.fatal(
          "the queue answers but nothing is consumed: ending, so that a fresh process can take over",
        );
        process.exit(1);
      },
    });
    const health = await startWorkerHealth(platform, worker.readiness);
    return {
      address: health?.address,
      async close() {
        await worker.close(settings.DRAIN_SECONDS * 1000);
        await health?.close();
      },
    };
  });
}

async function startWorkerHealth({ settings, metrics }: Platform, readiness: () => Promise<Readiness>) {
  const { HOST, WORKER_HEALTH_PORT, METRICS_TOKEN } = settings;
  if (WORKER_HEALTH_PORT === undefined) return undefined;
  const { startHealthServer } = await import("../workers/health-server.js");
  return await startHealthServer({
    host: HOST,
    port: WORKER_HEALTH_PORT,
    readiness,
    registry: metrics.registry,
    metricsToken: METRICS_TOKEN,
  });
}

/** Starts the scheduler: schedules, and housekeeping that one process leads. */
export async function startSchedulerProcess(settings: Settings): Promise<RunningProcess> {
  const { startHousekeeping } = await import("../workers/housekeeping.js");
  const { startScheduler } = await import("../workers/scheduler.js");
  return await openRole("scheduler", settings, async (platform) => {
    const scheduler = await startScheduler(platform);
    const housekeeping = startHousekeeping(platform);
    return {
      async close() {
        await Promise.all([scheduler.close(), housekeeping.stop()]);
      },
    };
  });
}
