import { type BackendFactory, type IQueueBackend, Queue } from "bullmq";
import type { BullQueue } from "./queue-connections.js";

/** Events kept per queue for BullMQ's `QueueEvents`, which Headrace does not use: enough for a look by hand. */
const EVENTS_KEPT = 1000;

/** Queues that share one connection: siblings of the root backend, made on first use. */
export function createSharedQueues(deps: {
  root: IQueueBackend;
  prefix: string;
  onError: (error: Error) => void;
  /** Called for each new name, so that other processes can learn of it. */
  onNew?: (name: string) => void;
}) {
  const queues = new Map<string, BullQueue>();
  const factory: BackendFactory<IQueueBackend, unknown> = (name) => deps.root.forQueue(name, deps.prefix);

  function open(name: string): BullQueue {
    const queue: BullQueue = new Queue(
      name,
      { connection: undefined, prefix: deps.prefix, streams: { events: { maxLen: EVENTS_KEPT } } },
      factory,
    );
    queue.on("error", deps.onError);
    queues.set(name, queue);
    deps.onNew?.(name);
    return queue;
  }

  return {
    get: (name: string): BullQueue => queues.get(name) ?? open(name),
    names: (): string[] => [...queues.keys()],
    async close(): Promise<void> {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}
