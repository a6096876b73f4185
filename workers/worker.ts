import { hostname, totalmem } from "node:os";
import { join } from "node:path";
import { readInstallerEnvironment } from "../src/config/installer-environment.js";
import type { Platform } from "../src/container.js";
import { newId } from "../src/core/ids.js";
import {
  createHttpRequestBuiltin,
  type HttpRequestBuiltin,
} from "../src/executors/http-request/http-request-builtin.js";
import type { McpPackageSettings } from "../src/executors/mcp-package/mcp-package-executor.js";
import { createExecutors } from "../src/executors/registry.js";
import type { Executor, McpType } from "../src/executors/types.js";
import type { QueueWorker } from "../src/queues/queue-worker.js";
import { openRunWorker, openStepWorker } from "../src/queues/step-worker.js";
import { createWorkerRegistry, type WorkerRegistry } from "../src/services/engine/worker-registry.js";
import { createExecutionRegistry, type ExecutionRegistry } from "./execution/execution-registry.js";
import { beat } from "./heartbeat.js";
import { startHousekeeping } from "./housekeeping.js";
import { type Loop, startLoop } from "./loop.js";
import { createLlmDeps } from "./create-llm-deps.js";
import { createSteps } from "./create-steps.js";
import { createRunProcessor } from "./processors/run-processor.js";
import type { StepProcessor } from "./processors/step-processor.js";
import { createSandbox, type WorkerSandbox } from "./sandbox/create-sandbox.js";
import { startToolListings } from "./tool-listing-task.js";

/** A running worker: takes steps of its groups until it is closed. */
export interface Worker {
  readonly id: string;
  /** Stops taking steps, lets those that run finish within `drainMs`, gives the rest back, and closes what it opened. */
  close(drainMs: number): Promise<void>;
}

/** What a worker is started with. */
export interface WorkerOptions {
  readonly groups: readonly string[];
  readonly concurrency: number;
  readonly version: string;
  /** Called when the queue's server answers, yet nothing has been consumed for half a minute: this worker is of no use. */
  readonly onStuck?: () => void;
}

const HEARTBEAT_MS = 3000;
/** What a waiting interpreter takes at most: Node.js with its harness loaded. */
const WAITING_BYTES = 64 * 1024 ** 2;
/** How long stopped executions get to end their processes before the worker goes. */
const STOP_GRACE_MS = 5000;

/** What a worker has opened and has to close. */
interface WorkerParts {
  readonly isolation: WorkerSandbox;
  readonly executors: ReadonlyMap<McpType, Executor>;
  readonly http: HttpRequestBuiltin;
  readonly executions: ExecutionRegistry;
  readonly registry: WorkerRegistry;
  readonly queueWorkers: QueueWorker[];
  readonly loops: readonly Loop[];
  readonly stopListening: () => Promise<void>;
}

/** Starts a worker on an open platform. The platform is the caller's to close, after the worker. */
export async function startWorker(platform: Platform, options: WorkerOptions): Promise<Worker> {
  const { knex, engine, logger, settings } = platform;
  const id = newId();
  const executions = createExecutionRegistry();
  const isolation = await openIsolation(platform);
  const { sandbox, workdirs } = isolation;
  // beside the work folders, where the users that steps run as can reach it
  const cacheRoot = join(workdirs.root, "cache");
  const executors = createExecutors({
    python: settings.PYTHON,
    cacheRoot,
    ground: { sandbox, makeWorkdir: workdirs.make, removeWorkdir: workdirs.remove },
    // no more than could be used at once, nor more than a sixteenth of the memory holds
    maxWarmProcesses: Math.min(
      settings.WARM_PROCESSES,
      options.concurrency + 1,
      Math.floor(totalmem() / 16 / WAITING_BYTES),
    ),
    onScriptStart: (type, start) => platform.metrics.scriptStartsTotal.inc({ type, start }),
    installerEnv: readInstallerEnvironment(),
    llm: createLlmDeps(platform),
    mcpPackages: toPackageSettings(platform),
  });
  const http = createHttpRequestBuiltin({ allowedPrivateHosts: settings.ALLOWED_HOSTS_PRIVATE });
  const { groups, concurrency, version } = options;
  const registry = createWorkerRegistry({
    knex,
    worker: {
      id,
      hostname: hostname(),
      pid: process.pid,
      groups,
      concurrency,
      sandboxLevel: sandbox.level,
      sandboxReasons: sandbox.reasons,
      version,
    },
  });
  await registry.register();
  const stopListening = await platform.pubSub.subscribe("control", (message) =>
    executions.stopRun(message.runId, message.below),
  );
  const steps = createSteps(platform, { id, groups, isolation, executors, http, executions });
  const queueWorkers = await openQueueWorkers(platform, options, steps);
  let isClosing = false;
  const heartbeat = startLoop({ everyMs: HEARTBEAT_MS, logger, name: "heartbeat" }, async () => {
    await beat({ registry, executions, engine, logger });
    // a server that is away is no fault of this worker; its steps go on meanwhile
    const isSilent = !isClosing && queueWorkers.some((worker) => !worker.isConsuming());
    if (isSilent && (await platform.queues.checkServer()) === undefined) options.onStuck?.();
  });
  const listings = await startToolListings({ platform, isolation, executors });
  const loops = [startHousekeeping(platform), heartbeat, listings];
  logger.info({ workerId: id, groups, sandbox: sandbox.level }, "worker started");
  const parts = { isolation, executors, http, executions, registry, queueWorkers, loops, stopListening };
  return {
    id,
    async close(drainMs) {
      isClosing = true; // paused queue workers do not consume, and should not
      await closeWorker(parts, drainMs);
    },
  };
}

function toPackageSettings({ settings, toolContracts, evaluator }: Platform): McpPackageSettings {
  return {
    commands: settings.MCP_COMMANDS,
    paths: settings.MCP_PATHS,
    allowedPrivateHosts: settings.ALLOWED_HOSTS_PRIVATE,
    maxMessageBytes: settings.MAX_MCP_MESSAGE_BYTES,
    contracts: toolContracts,
    validate: async (schema, value) => await evaluator.validate(schema, value),
  };
}

async function openIsolation({ settings, logger }: Platform): Promise<WorkerSandbox> {
  const isolation = await createSandbox({
    requested: settings.SANDBOX,
    workRoot: join(settings.DATA_DIR, "work"),
    python: settings.PYTHON,
    isProduction: settings.PRODUCTION,
    allowedPrivateHosts: settings.ALLOWED_HOSTS_PRIVATE,
    maxWorkdirBytes: settings.MAX_WORKDIR_BYTES,
    warn: (reason) => logger.warn({ reason }, "isolation of user code is reduced"),
  });
  await isolation.workdirs.sweep();
  return isolation;
}

async function openQueueWorkers(
  platform: Platform,
  options: WorkerOptions,
  steps: StepProcessor,
): Promise<QueueWorker[]> {
  const { queues: backend, knex, closeRun, logger } = platform;
  const { groups, concurrency } = options;
  return await Promise.all([
    openRunWorker({ backend, processor: createRunProcessor({ knex, closeRun }), logger }),
    ...groups.map((group) =>
      openStepWorker({
        backend,
        group,
        concurrency,
        processor: (job, context) => steps.process(job, context),
        logger,
      }),
    ),
  ]);
}

async function closeWorker(parts: WorkerParts, drainMs: number): Promise<void> {
  const { isolation, executors, http, executions, registry, queueWorkers, loops } = parts;
  for (const worker of queueWorkers) worker.pause();
  if (!(await executions.waitIdle(drainMs))) {
    executions.stopAll();
    await executions.waitIdle(STOP_GRACE_MS);
  }
  await Promise.all(queueWorkers.map((worker) => worker.close({ drainMs: STOP_GRACE_MS })));
  for (const loop of loops) await loop.stop();
  await parts.stopListening();
  await Promise.all([...executors.values()].map((executor) => executor.close?.()));
  await http.close();
  await isolation.sandbox.close();
  await isolation.workdirs.settle();
  await registry.unregister();
}
