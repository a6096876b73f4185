import { loadSettings } from "../src/config/load-settings.js";
import { migrateDatabase, openDatabase } from "../src/models/database.js";
import { type Contender, RUN_LIMIT_MS, WORKER_CONCURRENCY } from "./contender.js";
import { type HeadraceDriver, openHeadraceDriver } from "./headrace-driver.js";
import type { ScriptKind } from "./script-steps.js";
import { startWorkerChild, type WorkerChild } from "./worker-child.js";

/** Where Headrace finds its servers, and keeps its files. */
export interface HeadraceOptions {
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly prefix: string;
  readonly dataDir: string;
  /** Takes the warnings of both processes. */
  readonly logFile: string;
  readonly nodeArguments?: readonly string[];
  /** How long one run may take; by default {@link RUN_LIMIT_MS}. */
  readonly runLimitMs?: number;
  /** Whether no-op steps are claimed and run one by one. */
  readonly isClaimed?: boolean;
}

/** Headrace can also run script steps, which raw has nothing to set against. */
export interface HeadraceContender extends Contender {
  /** One run of W4, as {@link Contender.run}. */
  runScripts(kind: ScriptKind): Promise<void>;
}

/**
 * Headrace as it is shipped: this process starts runs as the API's handlers do (validation, one durable commit,
 * enqueue), a worker process of the product takes the steps, and each end is seen as a client would see it.
 */
export async function openHeadraceContender(options: HeadraceOptions): Promise<HeadraceContender> {
  await migrate(options.databaseUrl);
  const worker = await startHeadraceWorker(options);
  try {
    const driver = await openDriver(options);
    return {
      name: "headrace",
      workerPid: worker.pid,
      run: driver.run,
      runScripts: driver.runScripts,
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

/** The driver alone, on a database whose schema is brought up to date: its runs wait for workers. */
export async function openHeadrace(options: HeadraceOptions): Promise<HeadraceDriver> {
  await migrate(options.databaseUrl);
  return await openDriver(options);
}

/** One worker process, as `headrace worker` starts it. */
export async function startHeadraceWorker(options: HeadraceOptions): Promise<WorkerChild> {
  return await startWorkerChild({
    program: "headrace-worker.js",
    environment: environmentOf(options),
    logFile: options.logFile,
    nodeArguments: options.nodeArguments ?? [],
  });
}

/** The settings of every process of Headrace in the benchmark. */
export function environmentOf(options: HeadraceOptions): Record<string, string> {
  return {
    REDIS_URL: options.redisUrl,
    DATABASE_URL: options.databaseUrl,
    QUEUE_PREFIX: options.prefix,
    DATA_DIR: options.dataDir,
    WORKER_CONCURRENCY: String(WORKER_CONCURRENCY),
    LOG_LEVEL: "warn",
    DRAIN_SECONDS: "5",
  };
}

async function openDriver(options: HeadraceOptions): Promise<HeadraceDriver> {
  return await openHeadraceDriver({
    settings: loadSettings({ environment: environmentOf(options) }),
    databaseUrl: options.databaseUrl,
    logFile: options.logFile,
    runLimitMs: options.runLimitMs ?? RUN_LIMIT_MS,
    isClaimed: options.isClaimed ?? false,
  });
}

async function migrate(databaseUrl: string): Promise<void> {
  const knex = openDatabase({ url: databaseUrl, poolSize: 2, applicationName: "bench-migrate" });
  try {
    await migrateDatabase(knex);
  } finally {
    await knex.destroy();
  }
}
