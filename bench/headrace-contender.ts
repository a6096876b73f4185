import { pino } from "pino";
import { loadSettings } from "../src/config/load-settings.js";
import type { Settings } from "../src/config/settings-schema.js";
import { openPlatform } from "../src/container.js";
import { systemActor } from "../src/core/actor.js";
import { migrateDatabase, openDatabase } from "../src/models/database.js";
import { createLogger } from "../src/observability/logger.js";
import { createRunCommands } from "../src/services/engine/run-commands.js";
import { createMcpRegistry } from "../src/services/mcp-registry/mcp-registry.js";
import { createWorkflowDefinitions } from "../src/services/workflow-definitions/workflow-definitions.js";
import { publishBenchWorkflow } from "./bench-workflow.js";
import { type Contender, RUN_LIMIT_MS, WORKER_CONCURRENCY } from "./contender.js";
import { publishScriptWorkflow, type ScriptKind } from "./script-steps.js";
import { watchRunEndings } from "./run-endings.js";
import { startWorkerChild } from "./worker-child.js";

/** Where Headrace finds its servers, and keeps its files. */
export interface HeadraceOptions {
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly prefix: string;
  readonly dataDir: string;
  /** Takes the warnings of both processes. */
  readonly logFile: string;
  readonly nodeArguments?: readonly string[];
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
    logFile: options.logFile,
    nodeArguments: options.nodeArguments ?? [],
  });
  try {
    const driver = await openDriver(options, loadSettings({ environment }));
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

async function openDriver(
  options: HeadraceOptions,
  settings: Settings,
): Promise<Pick<HeadraceContender, "run" | "runScripts" | "close">> {
  const logger = createLogger({
    level: "warn",
    name: "bench",
    destination: pino.destination({ dest: options.logFile, sync: true }),
  });
  const platform = await openPlatform({ settings, databaseUrl: options.databaseUrl, logger, role: "bench" });
  const { knex, pubSub } = platform;
  const endings = await watchRunEndings({ knex, pubSub, limitMs: RUN_LIMIT_MS });
  const workflows = createWorkflowDefinitions({ ...platform, maxSteps: settings.MAX_STEPS });
  const commands = createRunCommands({
    ...platform,
    versions: workflows,
  });
  const by = { actor: systemActor("bench"), origin: { requestId: "bench", address: null } };
  const registry = createMcpRegistry(platform);
  const names = new Map<string, Promise<string>>();
  const runOnce = async (key: string, publish: () => Promise<string>): Promise<void> => {
    const name = names.get(key) ?? publish();
    names.set(key, name);
    const { runId } = await commands.start({ workflow: await name, trigger: "api" }, by.actor, by.origin);
    await endings.wait(runId);
  };
  return {
    run: (shape) => runOnce(JSON.stringify(shape), () => publishBenchWorkflow(workflows, shape, by)),
    runScripts: (kind) => runOnce(kind, () => publishScriptWorkflow({ registry, workflows }, kind, by)),
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
