import type { Knex } from "knex";
import { LANE_WINDOW, rankInQueue, RUN_WINDOW } from "../../core/queue-order.js";
import { toError } from "../../errors/app-error.js";
import type { Logger } from "../../observability/logger.js";

/** What a lane is made of: a workflow with the values of its keys (ADR 25). */
export interface LaneOf {
  readonly workflowId: string | null;
  readonly versionId: string;
  readonly concurrencyKey: string | null;
  readonly rateKey: string | null;
}

/** A process reads the depths of lanes after so many dispatches of one. */
const READ_AFTER = 32;
const READ_APART_MS = 100;
/** Reading may take this part of the time, however many steps wait. */
const READ_SHARE = 1 / 50;
/** A known backlog is looked at again after this long; what is older than `STALE_MS` counts as none. */
const DEEP_AGE_MS = 1000;
const STALE_MS = 10_000;
/** Lanes that are kept count of between two looks. */
const MOST_LANES = 10_000;

/** The lanes of steps on their queues, as one process knows them. */
export interface StepLanes {
  /** The ranks of some steps of one run that are enqueued together, in their order, by their worker groups. */
  ranks(lane: LaneOf, workerGroups: readonly string[]): number[];
  /** Resolves when no look is under way. */
  close(): Promise<void>;
}

/**
 * Tells how deep in its lane a step is enqueued. Between two looks at the rows a process adds what it dispatches; it
 * looks by itself, beside its work, and only when it dispatches much of one lane. Wrong depths cost order and nothing else.
 */
export function createStepLanes(deps: { readonly knex: Knex; readonly logger: Logger }): StepLanes {
  let known: ReadonlyMap<string, number> = new Map();
  let readAt = Number.NEGATIVE_INFINITY;
  let nextReadAt = 0;
  let reading: Promise<void> | undefined;
  const since = new Map<string, number>();

  async function read(): Promise<void> {
    const startedAt = performance.now();
    const before = new Map(since);
    try {
      known = await readDepths(deps.knex);
      readAt = performance.now();
      for (const [key, count] of before) {
        const left = (since.get(key) ?? 0) - count;
        if (left > 0) since.set(key, left);
        else since.delete(key);
      }
    } catch (error) {
      deps.logger.debug({ err: toError(error) }, "the depths of lanes are not known");
    }
    const tookMs = performance.now() - startedAt;
    nextReadAt = performance.now() + Math.max(READ_APART_MS, tookMs / READ_SHARE);
  }

  function readIfDue(dispatched: number, depth: number, now: number): void {
    const isDue = dispatched >= READ_AFTER || (depth > LANE_WINDOW / 2 && now - readAt > DEEP_AGE_MS);
    if (!isDue || reading || now < nextReadAt) return;
    reading = read().finally(() => {
      reading = undefined;
    });
  }

  /** How much of a lane waits, and that so many more do now. */
  function take(key: string, count: number): number {
    const now = performance.now();
    const isFresh = now < Math.max(readAt + STALE_MS, nextReadAt + STALE_MS);
    const depth = isFresh ? (known.get(key) ?? 0) : 0;
    if (since.size >= MOST_LANES && !since.has(key)) since.clear();
    const dispatched = since.get(key) ?? 0;
    since.set(key, dispatched + count);
    readIfDue(dispatched + count, depth, now);
    return depth + dispatched;
  }

  return {
    ranks(lane, workerGroups) {
      const [only] = workerGroups;
      if (workerGroups.length === 1 && only !== undefined)
        return [rankInQueue(take(laneKey(only, lane), 1), 0)];
      const counts = new Map<string, number>();
      const indexes = workerGroups.map((group) => {
        const index = counts.get(group) ?? 0;
        counts.set(group, index + 1);
        return index;
      });
      const depths = new Map(
        [...counts].map(([group, count]) => [group, take(laneKey(group, lane), Math.min(count, RUN_WINDOW))]),
      );
      return workerGroups.map((group, position) =>
        rankInQueue(depths.get(group) ?? 0, indexes[position] ?? 0),
      );
    },
    async close() {
      await reading;
    },
  };
}

function laneKey(workerGroup: string, { workflowId, versionId, concurrencyKey, rateKey }: LaneOf): string {
  return JSON.stringify([workerGroup, workflowId ?? versionId, concurrencyKey, rateKey]);
}

interface DepthRow {
  readonly worker_group: string;
  readonly workflow_id: string | null;
  readonly workflow_version_id: string;
  readonly concurrency_key: string | null;
  readonly rate_key: string | null;
  readonly depth: number;
}

/** How many steps of each lane wait, where they are more than a few; a run counts for 16 at most. */
async function readDepths(knex: Knex): Promise<Map<string, number>> {
  return await knex.transaction(async (trx) => {
    // always the index of queued steps, whatever the statistics of a young table say
    await trx.raw("SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)");
    const { rows } = await trx.raw<{ rows: DepthRow[] }>(
      `SELECT waiting.worker_group, r.workflow_id, r.concurrency_key, r.rate_key,
         CASE WHEN r.workflow_id IS NULL THEN r.workflow_version_id END AS workflow_version_id,
         sum(least(waiting.steps, ?))::int AS depth
       FROM (
         SELECT run_id, worker_group, count(*) AS steps FROM step_runs
         WHERE status = 'queued' AND available_at <= now() GROUP BY run_id, worker_group
       ) AS waiting
       JOIN workflow_runs r ON r.id = waiting.run_id
       GROUP BY 1, 2, 3, 4, 5 HAVING sum(least(waiting.steps, ?)) >= ?`,
      [RUN_WINDOW, RUN_WINDOW, RUN_WINDOW / 2],
    );
    return new Map(rows.map((row) => [laneKey(row.worker_group, toLane(row)), row.depth]));
  });
}

function toLane(row: DepthRow): LaneOf {
  return {
    workflowId: row.workflow_id,
    versionId: row.workflow_version_id,
    concurrencyKey: row.concurrency_key,
    rateKey: row.rate_key,
  };
}
