import type { Knex } from "knex";
import pg from "pg";
import type { PubSub } from "../../events/pub-sub.js";
import type { Logger } from "../../observability/logger.js";
import type { Metrics } from "../../observability/metrics.js";
import type { RunQueue } from "../../queues/run-queue.js";
import { isRunTerminal } from "../../core/statuses.js";
import { createAfterCommit } from "./after-commit.js";
import type { CommittedRun } from "./apply-batch.js";
import { createGroupCommit, type GroupCommit } from "./group-commit.js";
import { createPlanCache, type PlanCache } from "./plan-cache.js";
import { createStepLanes, type StepLanes } from "./step-lanes.js";

/** The dependencies of the engine. */
export interface EngineDeps {
  readonly databaseUrl: string;
  readonly knex: Knex;
  readonly runQueue: RunQueue;
  readonly pubSub: PubSub;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The engine of one process: applies transitions to runs, durably, then enqueues and publishes. */
export interface Engine {
  readonly commit: GroupCommit;
  readonly plans: PlanCache;
  /** How deep steps are enqueued in their lanes. */
  readonly lanes: StepLanes;
  /** Called after each commit with what it has changed, in the process that committed. Returns the way to stop. */
  onCommitted(listener: (run: CommittedRun) => void): () => void;
  /** Called when a run has ended, in the process that ended it. Returns the way to stop. */
  onRunEnded(listener: (run: CommittedRun) => void): () => void;
  /** Lets flushes under way end, then closes its connections. */
  close(): Promise<void>;
}

/** Opens the engine with a small pool of its own: its statements are prepared and must not wait for others. */
export function createEngine(deps: EngineDeps): Engine {
  const pool = new pg.Pool({
    connectionString: deps.databaseUrl,
    application_name: "headrace-engine",
    max: 2,
    pipeline: true,
    keepAlive: true,
    connectionTimeoutMillis: 5000,
    // generic plans over partitions: always the index, whatever the statistics of a young table say
    options:
      "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off -c plan_cache_mode=force_generic_plan",
  } as pg.PoolConfig);
  // a connection that is lost while it is in use fails its queries, which is heard; unheard, this would end the process
  pool.on("connect", (client) => client.on("error", () => undefined));
  pool.on("error", (error) => deps.logger.warn({ err: error }, "idle engine connection lost"));
  const plans = createPlanCache({ knex: deps.knex });
  const listeners = new Set<(run: CommittedRun) => void>();
  const lanes = createStepLanes({ pool, logger: deps.logger });
  const afterCommit = createAfterCommit({
    ...deps,
    lanes,
    onCommitted(runs) {
      for (const run of runs) for (const listener of listeners) listener(run);
    },
  });
  function onCommitted(listener: (run: CommittedRun) => void): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }
  const commit = createGroupCommit({ pool, plans, metrics: deps.metrics, afterCommit });
  return {
    commit,
    plans,
    lanes,
    onCommitted,
    onRunEnded(listener) {
      return onCommitted((run) => {
        if (isRunTerminal(run.status)) listener(run);
      });
    },
    async close() {
      await commit.close();
      await lanes.close();
      await pool.end();
    },
  };
}
