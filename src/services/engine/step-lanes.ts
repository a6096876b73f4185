import type pg from "pg";
import { LANE_WINDOW, rankInQueue, RUN_WINDOW } from "../../core/queue-order.js";
import { toError } from "../../errors/app-error.js";
import type { Logger } from "../../observability/logger.js";
import { READ_LANE_DEPTHS } from "./engine-statements.js";

/** What a lane is made of: a workflow with the values of its keys (ADR 25). */
export interface LaneOf {
  readonly workflowId: string | null;
  readonly versionId: string;
  readonly concurrencyKey: string | null;
  readonly rateKey: string | null;
}

/** A process reads the depths of lanes after so many dispatches of one. */
const READ_AFTER = 48;
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
export function createStepLanes(deps: LaneDeps): StepLanes {
  const depths = new LaneDepths(deps);
  return {
    ranks(lane, workerGroups) {
      const [only] = workerGroups;
      if (workerGroups.length === 1 && only !== undefined)
        return [rankInQueue(depths.take(laneKey(only, lane), 1), 0)];
      const counts = new Map<string, number>();
      const indexes = workerGroups.map((group) => {
        const index = counts.get(group) ?? 0;
        counts.set(group, index + 1);
        return index;
      });
      const taken = [...counts].map(
        ([group, count]) => [group, depths.take(laneKey(group, lane), Math.min(count, RUN_WINDOW))] as const,
      );
      const depthOf = new Map(taken);
      return workerGroups.map((group, position) =>
        rankInQueue(depthOf.get(group) ?? 0, indexes[position] ?? 0),
      );
    },
    close: async () => await depths.close(),
  };
}

interface LaneDeps {
  /** The engine's own: its plans take the index of queued steps, whatever the statistics of a young table say. */
  readonly pool: Pick<pg.Pool, "query">;
  readonly logger: Logger;
}

/** What a process knows of the depths of lanes. */
class LaneDepths {
  readonly #deps: LaneDeps;
  #known: ReadonlyMap<string, number> = new Map();
  /** Dispatched by this process since the last look. */
  readonly #since = new Map<string, number>();
  #readAt = Number.NEGATIVE_INFINITY;
  #nextReadAt = 0;
  #reading: Promise<void> | undefined;

  constructor(deps: LaneDeps) {
    this.#deps = deps;
  }

  /** How much of a lane waits; so many more do from now on. */
  take(key: string, count: number): number {
    const now = performance.now();
    // a look that may not be taken again yet still counts
    const isFresh = now < Math.max(this.#readAt, this.#nextReadAt) + STALE_MS;
    const depth = isFresh ? (this.#known.get(key) ?? 0) : 0;
    if (this.#since.size >= MOST_LANES && !this.#since.has(key)) this.#since.clear();
    const dispatched = this.#since.get(key) ?? 0;
    this.#since.set(key, dispatched + count);
    const isDeep = depth > LANE_WINDOW / 2 && now - this.#readAt > DEEP_AGE_MS;
    if ((dispatched + count >= READ_AFTER || isDeep) && !this.#reading && now >= this.#nextReadAt)
      this.#reading = this.#read().finally(() => {
        this.#reading = undefined;
      });
    return depth + dispatched;
  }

  async close(): Promise<void> {
    await this.#reading;
  }

  async #read(): Promise<void> {
    const startedAt = performance.now();
    const before = new Map(this.#since);
    try {
      this.#known = await readDepths(this.#deps.pool);
      this.#readAt = performance.now();
      for (const [key, count] of before) this.#forget(key, count);
    } catch (error) {
      this.#deps.logger.debug({ err: toError(error) }, "the depths of lanes are not known");
    }
    const tookMs = performance.now() - startedAt;
    this.#nextReadAt = performance.now() + Math.max(READ_APART_MS, tookMs / READ_SHARE);
  }

  #forget(key: string, count: number): void {
    const left = (this.#since.get(key) ?? 0) - count;
    if (left > 0) this.#since.set(key, left);
    else this.#since.delete(key);
  }
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
async function readDepths(pool: Pick<pg.Pool, "query">): Promise<Map<string, number>> {
  const { rows } = await pool.query<DepthRow>({ ...READ_LANE_DEPTHS, values: [RUN_WINDOW, RUN_WINDOW / 2] });
  return new Map(rows.map((row) => [laneKey(row.worker_group, toLane(row)), row.depth]));
}

function toLane(row: DepthRow): LaneOf {
  return {
    workflowId: row.workflow_id,
    versionId: row.workflow_version_id,
    concurrencyKey: row.concurrency_key,
    rateKey: row.rate_key,
  };
}
