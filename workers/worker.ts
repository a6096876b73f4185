import { hostname } from "node:os";
import { join } from "node:path";
import { newId } from "../src/core/ids.js";
import type { Platform } from "../src/container.js";
import { createExecutors } from "../src/executors/registry.js";
import type { QueueWorker } from "../src/queues/queue-worker.js";
import { openRunWorker, openStepWorker } from "../src/queues/step-worker.js";
import { createWorkerRegistry } from "../src/services/engine/worker-registry.js";
import { createComponentCache } from "./execution/component-cache.js";
import { createExecutionRegistry } from "./execution/execution-registry.js";
import { createComponentRunner } from "./execution/run-component.js";
import { startHousekeeping } from "./housekeeping.js";
import { createRunProcessor } from "./processors/run-processor.js";
import { createStepProcessor } from "./processors/step-processor.js";
import { startLoop } from "./loop.js";
import { createSandbox } from "./sandbox/create-sandbox.js";

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
/** How long stopped executions get to end their processes before the worker goes. */
const STOP_GRACE_MS = 5000;

/** Starts a worker on an open platform. The platform is the caller's to close, after the worker. */
export async function startWorker(platform: Platform, options: WorkerOptions): Promise<Worker> {
  const { knex, engine, logger, metrics, settings, evaluator, artifacts, resolver, closeRun, queues } = platform;
  const id = newId();
  const executions = createExecutionRegistry();
  const { sandbox, workdirs } = await createSandbox({
    requested: settings.SANDBOX,
    workRoot: `${settings.DATA_DIR}/work`,
    python: settings.PYTHON,
    warn: (reason) => logger.warn({ reason }, "isolation of user code is reduced"),
  });
  await workdirs.sweep();
  // beside the work folders, where the users that steps run as can reach it
  const executors = createExecutors({ python: settings.PYTHON, cacheRoot: join(workdirs.root, "cache") });
  const registry = createWorkerRegistry({
    knex,
    worker: {
      id,
      hostname: hostname(),
      pid: process.pid,
      groups: options.groups,
      concurrency: options.concurrency,
      sandboxLevel: sandbox.level,
      sandboxReasons: sandbox.reasons,
      version: options.version,
    },
  });
  await registry.register();

  const getComponent = createComponentCache({ knex });
  const runComponent = createComponentRunner({
    getComponent,
    executors,
    evaluator,
    sandbox,
    workdirs,
    artifacts,
    metrics,
    maxOutputBytes: settings.MAX_OUTPUT_BYTES,
  });
  const processor = createStepProcessor({
    workerId: id,
    sandboxLevel: sandbox.level,
    engine,
    resolver,
    closeRun,
    getComponent,
    runComponent,
    readSecrets: platform.readSecrets,
    artifacts,
    executions,
    logger,
    metrics,
    maxLogBytes: settings.MAX_LOG_BYTES,
    maxOutputBytes: settings.MAX_OUTPUT_BYTES,
  });
  const stopListening = await platform.pubSub.subscribe("control", (message) => executions.stopRun(message.runId));
  let stepWorkers: QueueWorker[] = [];
  async function assertConsuming(): Promise<void> {
    if (stepWorkers.every((worker) => worker.isConsuming())) return;
    // a server that is away is no fault of this worker; its steps go on meanwhile
    if ((await queues.checkServer()) === undefined) options.onStuck?.();
  }
  const heartbeat = startLoop({ everyMs: HEARTBEAT_MS, logger, name: "heartbeat" }, async () => {
    const claimed = executions.claimedTokens();
    const owned = await registry.beat(executions.count());
    executions.stopTokens(claimed.filter((token) => !owned.has(token)));
    await assertConsuming();
  });
  const housekeeping = startHousekeeping(platform);
  stepWorkers = await Promise.all(
    options.groups.map((group) => openStepWorker({ backend: queues, group, concurrency: options.concurrency, processor, logger })),
  );
  const runWorker = await openRunWorker({ backend: queues, processor: createRunProcessor({ knex, closeRun }), logger });
  logger.info({ workerId: id, groups: options.groups, sandbox: sandbox.level }, "worker started");

  async function drain(drainMs: number): Promise<void> {
    const isIdle = await executions.waitIdle(drainMs);
    if (isIdle) return;
    executions.stopAll();
    await executions.waitIdle(STOP_GRACE_MS);
  }

  return {
    id,
    async close(drainMs) {
      for (const worker of [...stepWorkers, runWorker]) worker.pause();
      await drain(drainMs);
      await Promise.all([...stepWorkers, runWorker].map((worker) => worker.close({ drainMs: STOP_GRACE_MS })));
      await housekeeping.stop();
      await stopListening();
      await heartbeat.stop();
      await Promise.all([...executors.values()].map((executor) => executor.close?.()));
      await sandbox.close();
      await registry.unregister();
    },
  };
}
