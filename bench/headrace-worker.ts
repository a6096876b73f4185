import { loadSettings } from "../src/config/load-settings.js";
import { runProcess } from "../src/lifecycle/run-process.js";
import { openPlatform } from "../src/container.js";
import { createLogger } from "../src/observability/logger.js";
import { startWorker } from "../workers/worker.js";
import { readOwnEnvironment } from "./bench-settings.js";

async function startWorkerProcess(settings: ReturnType<typeof loadSettings>) {
  const logger = createLogger({ level: settings.LOG_LEVEL, name: "worker" });
  const platform = await openPlatform({
    settings,
    databaseUrl: settings.DATABASE_URL ?? "",
    logger,
    role: "worker",
  });
  const worker = await startWorker(platform, {
    groups: ["default"],
    concurrency: settings.WORKER_CONCURRENCY,
    version: "0",
  });
  return {
    async close() {
      await worker.close(5000);
      await platform.close();
    },
  };
}

/** The worker process of Headrace, as `headrace worker` starts it; a program of its own so that it can be profiled. */
function reportError(error: unknown): void {
  process.stderr.write(
    `headrace worker: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
}

process.exit(
  await runProcess({
    start: () => startWorkerProcess(loadSettings({ environment: readOwnEnvironment() })),
    closeLimitMs: 15_000,
    isSupervised: true,
    onFatal: reportError,
  }),
);
