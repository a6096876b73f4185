import {
  type ConnectionOptions,
  createRedisBackend,
  FlowProducer,
  type IQueueBackend,
  type JobProgress,
  type RedisQueueBackend,
  Worker,
} from "bullmq";
import { Redis, type RedisOptions } from "ioredis";
import type { Logger } from "../observability/logger.js";
import type {
  BullProcessor,
  BullWorker,
  BullWorkerOptions,
  QueueBackend,
  TakenJob,
} from "./queue-connections.js";
import { createErrorListener } from "./queue-errors.js";
import { watchReachability } from "./redis-reachability.js";
import { createSharedQueues } from "./shared-queues.js";
import { withTimeLimit } from "./time-limit.js";

const OPEN_LIMIT_MS = 10_000;
/** BullMQ blocks up to 10 s: a socket that is silent for longer than this with a command under way is dead. */
const SOCKET_TIMEOUT_MS = 15_000;
/** State look-ups sent in one go. */
const LOOKUPS_PER_CALL = 500;

const common = {
  socketTimeout: SOCKET_TIMEOUT_MS,
  keepAlive: 10_000,
  connectTimeout: 5000,
  retryStrategy: (times: number): number => Math.min(times * 200, 2000),
} satisfies RedisOptions;

/** Producers fail fast: nothing piles up in memory while Redis is away, and the reconciler dispatches later. */
const producerOptions: RedisOptions = { ...common, enableOfflineQueue: false, maxRetriesPerRequest: 1 };
/** Workers wait for as long as it takes. */
const workerOptions = { ...common, maxRetriesPerRequest: null };

/** BullMQ on Redis or Valkey. @throws AppError NOT_READY when it does not answer within 10 s. */
export async function openRedisQueues(options: {
  redisUrl: string;
  prefix: string;
  logger: Logger;
}): Promise<QueueBackend> {
  const { redisUrl, prefix, logger } = options;
  const onError = createErrorListener(logger, { server: "redis" });
  const client = new Redis(redisUrl, { ...producerOptions, connectionName: `${prefix}-producer` });
  client.on("error", onError);
  try {
    // BullMQ keeps the outcome of its first look at the server for ever, so it may look only at one that answers
    const whenReachable = watchReachability(client);
    await whenReachable(OPEN_LIMIT_MS);
    const root = createRedisBackend("", { connection: client, prefix } as { connection: Redis });
    root.on("error", onError);
    await withTimeLimit(root.waitUntilReady(), OPEN_LIMIT_MS, "Preparing Redis");
    return createBackend({ client, root, redisUrl, prefix, whenReachable, onError });
  } catch (error) {
    client.disconnect();
    throw error;
  }
}

function createBackend(deps: {
  client: Redis;
  root: RedisQueueBackend;
  redisUrl: string;
  prefix: string;
  whenReachable: QueueBackend["whenReachable"];
  onError: (error: Error) => void;
}): QueueBackend {
  const { client, root, redisUrl, prefix, onError } = deps;
  const namesKey = `${prefix}:queue-names`;
  const queues = createSharedQueues({
    root,
    prefix,
    onError,
    onNew: (name) => void client.sadd(namesKey, name).catch(onError),
  });
  const flows = new FlowProducer<IQueueBackend, unknown>({ connection: undefined, prefix }, () => root);
  flows.on("error", onError);

  return {
    kind: "redis",
    flows,
    jobsPerCall: 100,
    queue: queues.get,
    createWorker(name: string, processor: BullProcessor, options: BullWorkerOptions): BullWorker {
      const connection: ConnectionOptions = { url: redisUrl, ...workerOptions };
      return new Worker<unknown, unknown, string, IQueueBackend, JobProgress, unknown>(
        name,
        processor,
        { ...options, prefix, connection },
        (queueName, opts, factoryOptions) =>
          createRedisBackend(queueName, { ...opts, connection }, factoryOptions),
      );
    },
    whenReachable: deps.whenReachable,
    isReachable: () => client.status === "ready",
    async findStates(name, jobIds) {
      const backend = queues.get(name).getBackend();
      const states: string[] = [];
      for (let start = 0; start < jobIds.length; start += LOOKUPS_PER_CALL) {
        // sent in the same tick on one connection: one round trip
        const part = jobIds.slice(start, start + LOOKUPS_PER_CALL);
        states.push(...(await Promise.all(part.map((id) => backend.getState(id)))));
      }
      return states;
    },
    findTaken: (worker) => findTaken(worker, prefix),
    async listQueueNames() {
      const known = await client.smembers(namesKey);
      return [...new Set([...known, ...queues.names()])].sort();
    },
    checkServer: () => checkEviction(client),
    async close() {
      await queues.close();
      await flows.close();
      await root.close();
      client.disconnect();
    },
  };
}

/** Asks on the worker's own connection: what it has sent there before has been done when the answer comes. */
async function findTaken(worker: BullWorker, prefix: string): Promise<TakenJob[]> {
  const client = await (worker.getBackend() as RedisQueueBackend).client;
  const key = (part: string): string => `${prefix}:${worker.name}:${part}`;
  const ids = await client.lrange(key("active"), 0, -1);
  const tokens = await Promise.all(ids.map((id) => client.get(key(`${id}:lock`))));
  return ids
    .map((jobId, at) => ({ jobId, token: tokens[at] ?? "" }))
    .filter(({ token }) => token.startsWith(`${worker.id}:`));
}

/** An evicting Redis drops locks first and jobs next, without a word. */
async function checkEviction(client: Redis): Promise<string | undefined> {
  const info = await client.info("memory");
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  if (policy === undefined || policy === "noeviction") return undefined;
  return `Redis has maxmemory-policy ${policy}: it would drop jobs when memory runs short. Set maxmemory-policy noeviction.`;
}
