import type { Knex } from "knex";
import type { WorkerGroup } from "../../contracts/api/worker-groups.js";
import { groupOfQueue } from "../../queues/queue-names.js";
import type { RunQueue } from "../../queues/run-queue.js";
import { keepBriefly } from "../keep-briefly.js";

/** What waits for each worker group, and who is there to do it. */
export interface WorkerGroups {
  /**
   * Every group that has work or a living worker, by name; at most two seconds old, however many ask.
   * @throws AppError NOT_READY when the queue or the database is out of reach.
   */
  list(): Promise<WorkerGroup[]>;
  /** One group; nothing but zeros for one that has neither work nor workers, so that a group can be scaled from none. */
  get(name: string): Promise<WorkerGroup>;
}

const KEPT_MS = 2000;

/** Makes the service. */
export function createWorkerGroups(deps: {
  readonly knex: Knex;
  readonly runQueue: Pick<RunQueue, "countJobs">;
}): WorkerGroups {
  const list = keepBriefly(KEPT_MS, async () => await readGroups(deps));
  return {
    list,
    get: async (name) => (await list()).find((group) => group.name === name) ?? emptyGroup(name),
  };
}

type Deps = Parameters<typeof createWorkerGroups>[0];

async function readGroups({ knex, runQueue }: Deps): Promise<WorkerGroup[]> {
  const [queues, workers] = await Promise.all([runQueue.countJobs(), readWorkers(knex)]);
  const groups = new Map<string, WorkerGroup>();
  const update = (name: string, change: Partial<WorkerGroup>) =>
    groups.set(name, { ...(groups.get(name) ?? emptyGroup(name)), ...change });
  for (const { name, waiting, active, delayed } of queues) {
    const group = groupOfQueue(name);
    if (group !== undefined) update(group, { waiting, running: active, delayed });
  }
  for (const { name, count, slots } of workers) {
    update(name, { workers: Number(count), slots: Number(slots) });
  }
  return [...groups.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
}

async function readWorkers(knex: Knex): Promise<{ name: string; count: string; slots: string }[]> {
  const { rows } = await knex.raw(
    `SELECT name, count(*) AS count, sum(concurrency) AS slots
     FROM workers, unnest(groups) AS name WHERE lease_until > now() GROUP BY name`,
  );
  return rows as { name: string; count: string; slots: string }[];
}

function emptyGroup(name: string): WorkerGroup {
  return { name, waiting: 0, running: 0, delayed: 0, workers: 0, slots: 0 };
}
