import { Worker } from "bullmq";
import { Redis } from "ioredis";
import { runProcess } from "../src/lifecycle/run-process.js";
import { readWorkerSettings } from "./bench-settings.js";
import { WORKER_CONCURRENCY } from "./contender.js";
import { RAW_QUEUE, type RawJob, rawEndedChannel } from "./raw-queue.js";

/** The worker process of the raw contender: does nothing with each job, and tells of each run's last one. */
async function startRawWorker() {
  const settings = readWorkerSettings();
  const publisher = new Redis(settings.redisUrl);
  const channel = rawEndedChannel(settings.prefix);
  const worker = new Worker<RawJob>(RAW_QUEUE, async () => undefined, {
    connection: { url: settings.redisUrl, maxRetriesPerRequest: null },
    prefix: settings.prefix,
    concurrency: WORKER_CONCURRENCY,
    removeOnComplete: { count: 0 },
    removeOnFail: { count: 0 },
  });
  // after the job is completed in Redis: publishing from the processor would be early
  worker.on("completed", (job) => {
    if (job.data.isRoot) publisher.publish(channel, job.data.runId).catch(reportError);
  });
  worker.on("error", reportError);
  await worker.waitUntilReady();
  return {
    async close() {
      await worker.close();
      await publisher.quit();
    },
  };
}

function reportError(error: unknown): void {
  process.stderr.write(`raw worker: ${error instanceof Error ? error.message : String(error)}\n`);
}

process.exit(
  await runProcess({ start: startRawWorker, closeLimitMs: 10_000, isSupervised: true, onFatal: reportError }),
);
