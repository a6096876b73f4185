import { pino } from "pino";
import { loadSettings } from "../src/config/load-settings.js";
import type { Settings } from "../src/config/settings-schema.js";
import { openPlatform } from "../src/container.js";
import { systemActor } from "../src/core/actor.js";
import { notFound } from "../src/errors/app-error.js";
import { migrateDatabase, openDatabase } from "../src/models/database.js";
import { createLogger } from "../src/observability/logger.js";
import { createRunCommands, type RunnableVersion } from "../src/services/engine/run-commands.js";
import { createBenchWorkflow, nameOf } from "./bench-workflow.js";
import { type Contender, RUN_LIMIT_MS, WORKER_CONCURRENCY } from "./contender.js";
import { watchRunEndings } from "./run-endings.js";
import { startWorkerChild } from "./worker-child.js";

/** Where Headrace finds its servers, and keeps its files. */
export interface HeadraceOptions {
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly prefix: string;
  readonly dataDir: string;
  readonly nodeArguments?: readonly string[];
}

/**
 * Headrace as it is shipped: this process starts runs as the API's handlers do (validation, one durable commit,
 * enqueue), a worker process of the product takes the steps, and each end is seen as a client would see it.
 */
export async function openHeadraceContender(options: HeadraceOptions): Promise<Contender> {
  const environment = {
    REDIS_URL: options.redisUrl,
    DATABASE_URL: options.databaseUrl,
    QUEUE_PREFIX: options.prefix,
    DATA_DIR: options.dataDir,
    WORKER_CONCURRENCY: String(WORKER_CONCURRENCY),
    LOG_LEVEL: "warn",
    DRAIN_SECONDS: "5",
  };
  await migrate(options.databaseUrl);
  const worker = await startWorkerChild({
    program: "headrace-worker.js",
    environment,
    nodeArguments: options.nodeArguments ?? [],
  });
  try {
    const driver = await openDriver(options.databaseUrl, loadSettings({ environment }));
    return {
      name: "headrace",
      workerPid: worker.pid,
      run: driver.run,
      async close() {
        await worker.stop();
        await driver.close();
      },
    };
  } catch (error) {
    await worker.stop();
    throw error;
  }
}

async function openDriver(
  databaseUrl: string,
  settings: Settings,
): Promise<Pick<Contender, "run" | "close">> {
  const logger = createLogger({ level: "warn", name: "bench", destination: pino.destination(2) });
  const platform = await openPlatform({ settings, databaseUrl, logger, role: "bench" });
  const { knex, pubSub } = platform;
  const endings = await watchRunEndings({ knex, pubSub, limitMs: RUN_LIMIT_MS });
  const versions = new Map<string, Promise<RunnableVersion>>();
  const commands = createRunCommands({
    ...platform,
    resolveForRun: (name) => versions.get(name) ?? Promise.reject(notFound("Workflow")),
    ensureTestVersion: () => Promise.reject(notFound("MCP version")),
  });
  const actor = systemActor("bench");
  const origin = { requestId: "bench", address: null };
  return {
    async run(shape) {
      const workflow = nameOf(shape);
      if (!versions.has(workflow)) versions.set(workflow, createBenchWorkflow(knex, shape));
      const { runId } = await commands.start({ workflow, trigger: "api" }, actor, origin);
      await endings.wait(runId);
    },
    async close() {
      await endings.close();
      await platform.close();
    },
  };
}

async function migrate(databaseUrl: string): Promise<void> {
  const knex = openDatabase({ url: databaseUrl, poolSize: 2, applicationName: "bench-migrate" });
  try {
    await migrateDatabase(knex);
  } finally {
    await knex.destroy();
  }
}
