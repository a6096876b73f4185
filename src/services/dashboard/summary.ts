import type { Knex } from "knex";
import type { DashboardSummary } from "../../contracts/api/dashboard.js";
import { firstIdAt } from "../../core/ids.js";
import { toError } from "../../errors/app-error.js";
import type { Logger } from "../../observability/logger.js";
import type { RunQueue } from "../../queues/run-queue.js";
import { keepBriefly } from "../keep-briefly.js";

/** What the summary is drawn from. */
export interface SummaryDeps {
  readonly knex: Knex;
  readonly runQueue: Pick<RunQueue, "countJobs">;
  readonly logger: Logger;
  /** Schedules that exist. */
  readonly countSchedules?: () => Promise<number>;
}

const KEPT_MS = 2000;
const DAY_MS = 24 * 3600 * 1000;
/** Counting stops here: a backlog of millions must not make its own display dear. */
const MOST_COUNTED = 100_000;

/** The figures on the console's first page. However many look, they are read every two seconds at most. */
export function createDashboardSummary(deps: SummaryDeps): () => Promise<DashboardSummary> {
  return keepBriefly(KEPT_MS, async () => await readSummary(deps));
}

async function readSummary(deps: SummaryDeps): Promise<DashboardSummary> {
  const [counts, queues, schedules] = await Promise.all([
    readCounts(deps.knex),
    readQueues(deps),
    deps.countSchedules?.() ?? Promise.resolve(0),
  ]);
  const { succeeded, failed } = counts;
  const ended = succeeded + failed;
  return {
    runs: {
      active: counts.running,
      queued: counts.queued,
      waiting: counts.waiting,
      succeeded24h: succeeded,
      failed24h: failed,
      successRate24h: ended === 0 ? null : succeeded / ended,
    },
    mcpDefinitions: counts.mcp_definitions,
    workflowDefinitions: counts.workflow_definitions,
    schedules,
    workers: counts.workers,
    queues,
  };
}

type Counts = Record<
  | "running"
  | "queued"
  | "waiting"
  | "succeeded"
  | "failed"
  | "mcp_definitions"
  | "workflow_definitions"
  | "workers",
  number
>;

/** One round trip; each count of runs walks one range of the index on status, and no further than its limit. */
async function readCounts(knex: Knex): Promise<Counts> {
  const since = firstIdAt(new Date(Date.now() - DAY_MS));
  const live = (status: string) =>
    `(SELECT count(*) FROM (SELECT 1 FROM workflow_runs WHERE status = '${status}' LIMIT ${MOST_COUNTED}) AS r) AS ${status}`;
  const lately = (status: string) =>
    `(SELECT count(*) FROM (SELECT 1 FROM workflow_runs WHERE status = '${status}' AND id >= :since LIMIT ${MOST_COUNTED}) AS r) AS ${status}`;
  const { rows } = await knex.raw<{ rows: [Counts] }>(
    `SELECT ${["running", "queued", "waiting"].map(live).join(", ")},
       ${["succeeded", "failed"].map(lately).join(", ")},
       (SELECT count(*) FROM mcp_definitions) AS mcp_definitions,
       (SELECT count(*) FROM workflow_definitions) AS workflow_definitions,
       (SELECT count(*) FROM workers WHERE lease_until > now()) AS workers`,
    { since },
  );
  return rows[0];
}

async function readQueues(deps: SummaryDeps): Promise<DashboardSummary["queues"]> {
  try {
    return await deps.runQueue.countJobs();
  } catch (error) {
    deps.logger.warn({ err: toError(error) }, "queues could not be counted");
    return null;
  }
}
