import type { Platform } from "../src/container.js";
import { BUILTIN_NAMES, type StepTarget } from "../src/core/plan.js";
import type { HttpRequestBuiltin } from "../src/executors/http-request/http-request-builtin.js";
import type { Executor, McpType } from "../src/executors/types.js";
import { createRunCaller } from "../src/services/engine/call-run.js";
import { createStepThrottle } from "../src/services/engine/step-throttle.js";
import { createStepCache } from "../src/services/step-cache/step-cache.js";
import type { AppHost } from "./apps/app-host.js";
import { createComponentCache } from "./execution/component-cache.js";
import { type ComponentDoorDeps, createComponentDoors } from "./execution/component-door.js";
import { createExecutorRunner } from "./execution/run-executor.js";
import type { ResultSpool } from "./execution/result-spool.js";
import { createResultCache } from "./execution/result-cache.js";
import { type AttemptRunner, createAttemptRunner } from "./execution/run-attempt.js";
import { createComponentRunner } from "./execution/run-component.js";
import { createStepBeginner } from "./processors/begin-step.js";
import type { ExecutionGate } from "./execution/execution-gate.js";
import type { ExecutionRegistry } from "./execution/execution-registry.js";
import { createStepPerformer } from "./processors/perform-step.js";
import { StepProcessor } from "./processors/step-processor.js";
import type { WorkerSandbox } from "./sandbox/create-sandbox.js";

/** What a worker's steps stand on beside the platform. */
export interface StepsWorker {
  readonly id: string;
  readonly groups: readonly string[];
  readonly isolation: WorkerSandbox;
  readonly executors: ReadonlyMap<McpType, Executor>;
  readonly http: HttpRequestBuiltin;
  readonly executions: ExecutionRegistry;
  readonly gate: ExecutionGate;
  readonly spool: ResultSpool;
  readonly apps: AppHost;
}

/** What takes this worker's steps, with all that it needs. */
export function createSteps(platform: Platform, worker: StepsWorker): StepProcessor {
  const { knex, engine, resolver, followOutcome, evaluator, admission, logger, metrics } = platform;
  const prepareCall = createRunCaller({ knex, plans: engine.plans, evaluator });
  const throttle = createStepThrottle({ knex });
  return new StepProcessor({
    workerId: worker.id,
    sandboxLevel: worker.isolation.sandbox.level,
    groups: worker.groups,
    engine,
    beginStep: createStepBeginner({ engine, resolver, prepareCall, admission }),
    performer: createStepPerformer({ resolver, maxOutputBytes: platform.settings.MAX_OUTPUT_BYTES }),
    runAttempt: createRunAttempt(platform, worker),
    followOutcome,
    throttle,
    isUnthrottled: throttle.isUnthrottled,
    isKnown: (target) => isKnown(target, worker.executors),
    executions: worker.executions,
    gate: worker.gate,
    spool: worker.spool,
    logger,
    metrics,
  });
}

/** Definitions are checked when they are stored, but by a program that may be newer than this one. */
function isKnown(target: StepTarget, executors: StepsWorker["executors"]): boolean {
  switch (target.kind) {
    case "mcp":
      return executors.has(target.mcpType as McpType);
    case "builtin":
      return BUILTIN_NAMES.includes(target.name);
    case "workflow":
      return true;
    default:
      return false;
  }
}

function createRunAttempt(platform: Platform, worker: StepsWorker): AttemptRunner {
  const { knex, engine, resolver, secrets, artifacts, connections, logger, settings } = platform;
  const { http, isolation, apps } = worker;
  const { workdirs } = isolation;
  const getComponent = createComponentCache({ knex });
  const readSecrets = async (names: readonly string[]) => await secrets.readBound(names);
  const maxOutputBytes = settings.MAX_OUTPUT_BYTES;
  return createAttemptRunner({
    engine,
    resolver,
    getComponent,
    runComponent: createComponentRunner({
      getComponent,
      runExecutor: createRunExecutor(platform, worker, { getComponent, readSecrets }),
      http,
      connections,
      workdirs,
      artifacts,
      apps,
      maxOutputBytes,
      logger,
    }),
    resultCache: createResultCache({
      plans: engine.plans,
      resolver,
      cache: createStepCache({ knex }),
      logger,
    }),
    readSecrets: async (names) => await secrets.readBound(names),
    artifacts,
    logger,
    maxLogBytes: settings.MAX_LOG_BYTES,
    maxOutputBytes,
  });
}

/** Runs components, which may call each other. */
function createRunExecutor(
  { knex, evaluator, artifacts, connections, logger, settings, toolContracts }: Platform,
  { executors, isolation }: StepsWorker,
  shared: Pick<ComponentDoorDeps, "getComponent" | "readSecrets">,
): ComponentDoorDeps["runExecutor"] {
  const { sandbox, workdirs } = isolation;
  const runExecutor: ComponentDoorDeps["runExecutor"] = async (run) => await runner(run);
  const runner = createExecutorRunner({
    getComponent: shared.getComponent,
    executors,
    evaluator,
    sandbox,
    workdirs,
    artifacts,
    connections,
    logger,
    maxOutputBytes: settings.MAX_OUTPUT_BYTES,
    openDoor: createComponentDoors({
      knex,
      ...shared,
      readTools: async (mcpVersionId) => (await toolContracts.readToolContract(mcpVersionId))?.tools,
      runExecutor,
    }),
  });
  return runExecutor;
}
