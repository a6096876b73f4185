import type { Platform } from "../src/container.js";
import type { HttpRequestBuiltin } from "../src/executors/http-request/http-request-builtin.js";
import type { Executor, McpType } from "../src/executors/types.js";
import { createRunCaller } from "../src/services/engine/call-run.js";
import { createStepThrottle } from "../src/services/engine/step-throttle.js";
import { createStepCache } from "../src/services/step-cache/step-cache.js";
import type { AppHost } from "./apps/app-host.js";
import { createComponentCache } from "./execution/component-cache.js";
import { createResultCache } from "./execution/result-cache.js";
import { type AttemptRunner, createAttemptRunner } from "./execution/run-attempt.js";
import { createComponentRunner } from "./execution/run-component.js";
import { createStepBeginner } from "./processors/begin-step.js";
import type { ExecutionRegistry } from "./execution/execution-registry.js";
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
    runAttempt: createRunAttempt(platform, worker),
    followOutcome,
    throttle,
    isUnthrottled: throttle.isUnthrottled,
    executions: worker.executions,
    logger,
    metrics,
  });
}

function createRunAttempt(platform: Platform, worker: StepsWorker): AttemptRunner {
  const { knex, engine, resolver, readSecrets, artifacts, evaluator, logger, settings } = platform;
  const { executors, http, isolation, apps } = worker;
  const { sandbox, workdirs } = isolation;
  const getComponent = createComponentCache({ knex });
  const maxOutputBytes = settings.MAX_OUTPUT_BYTES;
  return createAttemptRunner({
    engine,
    resolver,
    getComponent,
    runComponent: createComponentRunner({
      getComponent,
      executors,
      http,
      evaluator,
      sandbox,
      workdirs,
      artifacts,
      apps,
      maxOutputBytes,
    }),
    resultCache: createResultCache({
      plans: engine.plans,
      resolver,
      cache: createStepCache({ knex }),
      logger,
    }),
    readSecrets,
    artifacts,
    logger,
    maxLogBytes: settings.MAX_LOG_BYTES,
    maxOutputBytes,
  });
}
