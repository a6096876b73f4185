import { groupBy } from "./group-by.js";
import type { BullQueue, QueueBackend } from "./queue-connections.js";
import { RUNS_QUEUE } from "./queue-names.js";

const PAGE = 100;
const MOST_LOOKED_AT = 2000;
const LIVE_STATES = new Set(["waiting", "delayed", "prioritized", "active"]);

/** Removes what {@link findStrandedRuns} finds. @returns how many. */
export async function removeStrandedRuns(backend: QueueBackend, olderThanMs: number): Promise<number> {
  const stranded = await findStrandedRuns(backend, olderThanMs);
  const queue = backend.queue(RUNS_QUEUE);
  for (const id of stranded) await queue.remove(id, { removeChildren: false });
  return stranded.length;
}

/**
 * Parent jobs that wait for children of which none is alive any more. BullMQ leaves one behind when a step is
 * enqueued a second time in the instant after it failed. Such a parent does no harm (PostgreSQL ends the run),
 * but it would stay for ever. Looks at the oldest 2,000 at most.
 */
async function findStrandedRuns(backend: QueueBackend, olderThanMs: number): Promise<string[]> {
  const queue = backend.queue(RUNS_QUEUE);
  const before = Date.now() - olderThanMs;
  const stranded: string[] = [];
  for (let start = 0; start < MOST_LOOKED_AT; start += PAGE) {
    const parents = await queue.getJobs(["waiting-children"], start, start + PAGE - 1, true);
    const old = parents.filter((parent) => parent.id !== undefined && parent.timestamp < before);
    const verdicts = await Promise.all(old.map((parent) => hasLiveChild(backend, queue, parent.id ?? "")));
    stranded.push(...old.filter((_parent, index) => !verdicts[index]).map((parent) => parent.id ?? ""));
    if (parents.length < PAGE || old.length === 0) break;
  }
  return stranded;
}

async function hasLiveChild(backend: QueueBackend, queue: BullQueue, parentId: string): Promise<boolean> {
  const parent = await queue.getJob(parentId);
  // released or ended since: not ours to touch
  if (!parent) return true;
  const page = await parent.getDependencies({ unprocessed: { count: PAGE, cursor: 0 } });
  const children = (page.unprocessed ?? []).map((key) => backend.flows.getBackend().parseNodeKey(key));
  const byQueue = groupBy(children, (child) => child.queueName);
  for (const [name, group] of byQueue) {
    const states = await backend.findStates(
      name,
      group.map((child) => child.id),
    );
    if (states.some((state) => LIVE_STATES.has(state))) return true;
  }
  // more children than were looked at: left to a later look, when these have been cleared
  return Boolean(page.nextUnprocessedCursor);
}
