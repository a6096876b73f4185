import { hostname, totalmem } from "node:os";
import { join } from "node:path";
import { readInstallerEnvironment } from "../src/config/installer-environment.js";
import { AppError } from "../src/errors/app-error.js";
import type { Platform } from "../src/container.js";
import { newId } from "../src/core/ids.js";
import {
  createHttpRequestBuiltin,
  type HttpRequestBuiltin,
} from "../src/executors/http-request/http-request-builtin.js";
import type { McpPackageSettings } from "../src/executors/mcp-package/mcp-package-executor.js";
import { createExecutors } from "../src/executors/registry.js";
import type { Executor, McpType } from "../src/executors/types.js";
import { createOutgoingGuard } from "../src/outgoing/outgoing-guard.js";
import type { QueueWorker } from "../src/queues/queue-worker.js";
import { openRunWorker, openStepWorker } from "../src/queues/step-worker.js";
import { createReadiness, type Readiness } from "../src/services/health/readiness.js";
import { createWorkerRegistry, type WorkerRegistry } from "../src/services/engine/worker-registry.js";
import { openApps, type WorkerApps } from "./apps/open-apps.js";
import { ExecutionGate } from "./execution/execution-gate.js";
import { createExecutionRegistry, type ExecutionRegistry } from "./execution/execution-registry.js";
import { createResultSpool } from "./execution/result-spool.js";
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
  /** Whether it can do its work: the database and the queue answer, and it consumes. */
  readonly readiness: () => Promise<Readiness>;
  /** Stops taking steps, lets those that run finish within `drainMs`, gives the rest back, and closes what it opened. */
  close(drainMs: number): Promise<void>;
}

/** What a worker is started with. */
export interface WorkerOptions {
  readonly groups: readonly string[];
  readonly concurrency: number;
  readonly version: string;
  /** Types of components that it runs; all that this version knows by default. Others are left to other workers. */
  readonly mcpTypes?: readonly McpType[];
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
  readonly gate: ExecutionGate;
  readonly apps: WorkerApps;
  readonly registry: WorkerRegistry;
  readonly queueWorkers: QueueWorker[];
  readonly loops: readonly Loop[];
  readonly stopListening: () => Promise<void>;
}

/** Starts a worker on an open platform. The platform is the caller's to close, after the worker. */
export async function startWorker(platform: Platform, options: WorkerOptions): Promise<Worker> {
  const { engine, logger, settings } = platform;
  const id = newId();
  const executions = createExecutionRegistry();
  const gate = new ExecutionGate();
  const isolation = await openIsolation(platform);
  const { sandbox } = isolation;
  const executors = openExecutors(platform, isolation, options);
  const http = createHttpRequestBuiltin({ allowedPrivateHosts: settings.ALLOWED_HOSTS_PRIVATE });
  const { groups } = options;
  const registry = openRegistry(platform, options, { id, sandbox });
  await registry.register();
  const spool = createResultSpool({ folder: join(settings.DATA_DIR, "spool"), engine, logger });
  const leftOvers = await spool.commitLeftOvers();
  if (leftOvers > 0) logger.info({ results: leftOvers }, "committed what a dead worker had kept");
  const apps = await openApps(platform, { id, isolation, spool });
  const stopListening = await platform.pubSub.subscribe("control", (message) => {
    if (message.type === "stop-app") return apps.look(message.appId);
    executions.stopRun(message.runId, message.below);
    return apps.stopRun(message.runId, message.below);
  });
  const shared = { isolation, http, executions, gate };
  const steps = createSteps(platform, {
    ...shared,
    id,
    groups,
    executors: pickExecutors(executors, options),
    apps: apps.host,
    spool,
  });
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
  const parts = { ...shared, executors, apps, registry, queueWorkers, loops, stopListening };
  return {
    id,
    readiness: createWorkerReadiness(platform, () => queueWorkers.every((worker) => worker.isConsuming())),
    async close(drainMs) {
      isClosing = true; // paused queue workers do not consume, and should not
      await closeWorker(parts, drainMs);
    },
  };
}

function openRegistry(
  { knex }: Platform,
  { groups, concurrency, version }: WorkerOptions,
  { id, sandbox }: { readonly id: string; readonly sandbox: WorkerSandbox["sandbox"] },
): WorkerRegistry {
  return createWorkerRegistry({
    knex,
    worker: {
      ...{ id, hostname: hostname(), pid: process.pid, groups, concurrency, version },
      sandboxLevel: sandbox.level,
      sandboxReasons: sandbox.reasons,
    },
  });
}

function openExecutors(
  platform: Platform,
  { sandbox, workdirs }: WorkerSandbox,
  { concurrency }: WorkerOptions,
): ReadonlyMap<McpType, Executor> {
  const { settings, metrics } = platform;
  return createExecutors({
    python: settings.PYTHON,
    // beside the work folders, where the users that steps run as can reach it
    cacheRoot: join(workdirs.root, "cache"),
    ground: { sandbox, makeWorkdir: workdirs.make, removeWorkdir: workdirs.remove },
    // no more than could be used at once, nor more than a sixteenth of the memory holds
    maxWarmProcesses: Math.min(
      settings.WARM_PROCESSES,
      concurrency + 1,
      Math.floor(totalmem() / 16 / WAITING_BYTES),
    ),
    onScriptStart: (type, start) => metrics.scriptStartsTotal.inc({ type, start }),
    installerEnv: readInstallerEnvironment(),
    llm: createLlmDeps(platform),
    mcpPackages: toPackageSettings(platform),
    apps: { allowedPrivateHosts: settings.ALLOWED_HOSTS_PRIVATE, pyodideUrl: settings.PYODIDE_URL },
  });
}

function pickExecutors(executors: ReadonlyMap<McpType, Executor>, { mcpTypes }: WorkerOptions) {
  return mcpTypes ? new Map([...executors].filter(([type]) => mcpTypes.includes(type))) : executors;
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

function createWorkerReadiness({ knex, queues, logger }: Platform, isConsuming: () => boolean) {
  return createReadiness({
    checks: [
      { name: "database", check: async () => await knex.raw("SELECT 1") },
      {
        name: "queue",
        async check() {
          const fault = await queues.checkServer();
          if (fault !== undefined) throw new AppError("NOT_READY", fault);
          if (!isConsuming()) throw new AppError("NOT_READY", "nothing has been consumed for 30 s");
        },
      },
    ],
    onFailure: (name, error) => logger.warn({ err: error, check: name }, "not ready"),
  });
}

async function openIsolation({ settings, logger }: Platform): Promise<WorkerSandbox> {
  const isolation = await createSandbox({
    requested: settings.SANDBOX,
    workRoot: join(settings.DATA_DIR, "work"),
    python: settings.PYTHON,
    isProduction: settings.PRODUCTION,
    guard: createOutgoingGuard({ allowedPrivateHosts: settings.ALLOWED_HOSTS_PRIVATE }),
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
  const { isolation, executors, http, executions, gate, apps, registry, queueWorkers, loops } = parts;
  gate.close();
  for (const worker of queueWorkers) worker.pause();
  if (!(await executions.waitIdle(drainMs))) {
    executions.stopAll();
    await executions.waitIdle(STOP_GRACE_MS);
  }
  await Promise.all(queueWorkers.map((worker) => worker.close({ drainMs: STOP_GRACE_MS })));
  for (const loop of loops) await loop.stop();
  await parts.stopListening();
  await apps.close();
  await Promise.all([...executors.values()].map((executor) => executor.close?.()));
  await http.close();
  await isolation.sandbox.close();
  await isolation.workdirs.settle();
  await registry.unregister();
}
