import type {
  FlowProducer,
  IQueueBackend,
  JobProgress,
  Processor,
  Queue,
  Worker,
  WorkerOptions,
} from "bullmq";
import type { Logger } from "../observability/logger.js";
import { openPostgresQueues } from "./postgres-queues.js";
import { openRedisQueues } from "./redis-queues.js";

/** BullMQ's classes over either backend: which one is known to `openQueues` alone. */
export type BullQueue = Queue<unknown, unknown, string, unknown, unknown, string, IQueueBackend, unknown>;
/** See {@link BullQueue}. */
export type BullWorker = Worker<unknown, unknown, string, IQueueBackend, JobProgress, unknown>;
/** See {@link BullQueue}. */
export type BullFlowProducer = FlowProducer<IQueueBackend, unknown>;
/** What runs for each job of a {@link BullWorker}. */
export type BullProcessor = Processor<unknown, unknown, string>;
/** What may be chosen for a worker; the connection is the backend's business. */
export type BullWorkerOptions = Omit<WorkerOptions<unknown>, "connection" | "prefix">;

/** How to reach the queues' server. */
export interface QueueConnectionOptions {
  /** Redis or Valkey; unset: BullMQ's PostgreSQL backend on `databaseUrl`. */
  readonly redisUrl?: string | undefined;
  readonly databaseUrl: string;
  /** Namespace: the key prefix on Redis, the schema `<prefix>_queues` on PostgreSQL. */
  readonly prefix: string;
  readonly logger: Logger;
}

/** A job that a worker has taken, and the token of its lock. */
export interface TakenJob {
  readonly jobId: string;
  readonly token: string;
}

/** Makes BullMQ objects that share this process's connections. Nothing outside `src/queues` sees the difference. */
export interface QueueBackend {
  readonly kind: "redis" | "postgres";
  /** Adds flows; its backend's `addFlow` tells what became of each job, which `FlowProducer.addBulk` hides. */
  readonly flows: BullFlowProducer;
  /** Most jobs to hand over in one call: Redis runs nothing else meanwhile. */
  readonly jobsPerCall: number;
  /** The queue of that name: always the same object, on the shared connection. */
  queue(name: string): BullQueue;
  /** Opens a worker with connections of its own; the caller closes it. */
  createWorker(name: string, processor: BullProcessor, options: BullWorkerOptions): BullWorker;
  /**
   * Resolves at once while the server is in reach, else when it is again.
   * @throws AppError NOT_READY when it has been away for `limitMs`.
   */
  whenReachable(limitMs: number): Promise<void>;
  /** Whether the server is in reach now, as far as this process knows. */
  isReachable(): boolean;
  /** The states of these jobs, in the same order, `unknown` for those that are not there. One round trip. */
  findStates(name: string, jobIds: readonly string[]): Promise<string[]>;
  /**
   * The jobs that the server holds as taken by this worker, whether it has heard of them or not. None on PostgreSQL, where
   * the check for stalled jobs has to find those of a lost answer.
   */
  findTaken(worker: BullWorker): Promise<readonly TakenJob[]>;
  /** Every queue that any process of this installation has used. */
  listQueueNames(): Promise<string[]>;
  /** Why the server must not be used as it is configured; undefined when it may. */
  checkServer(): Promise<string | undefined>;
  /** Closes the shared connections. Workers are closed by who opened them, before. */
  close(): Promise<void>;
}

/**
 * Opens the queues: on Redis when `redisUrl` is set, else on PostgreSQL, whose schema it then brings up to date
 * (once, however many processes start together).
 * @throws AppError NOT_READY when the server does not answer within 10 s.
 */
export async function openQueues(options: QueueConnectionOptions): Promise<QueueBackend> {
  const { redisUrl, databaseUrl, prefix, logger } = options;
  return redisUrl
    ? await openRedisQueues({ redisUrl, prefix, logger })
    : await openPostgresQueues({ databaseUrl, prefix, logger });
}
