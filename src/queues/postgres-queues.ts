import {
  assertSchemaCompatibility,
  createPostgresBackend,
  FlowProducer,
  type IQueueBackend,
  type JobProgress,
  LATEST_SCHEMA_VERSION,
  PostgresConnection,
  type PostgresPoolConfig,
  PostgresQueueBackend,
  runMigrations,
  SchemaMigrationRequiredError,
  Worker,
} from "bullmq";
import pg from "pg";
import type { Logger } from "../observability/logger.js";
import type { BullProcessor, BullWorker, BullWorkerOptions, QueueBackend } from "./queue-connections.js";
import { createErrorListener } from "./queue-errors.js";
import { createSharedQueues } from "./shared-queues.js";

const CONNECT_LIMIT_MS = 10_000;
/** Connections of all queues and the flow producer of a process together. */
const PRODUCER_POOL = 3;
/** Connections of one worker, besides the one it listens on. */
const WORKER_POOL = 4;

/**
 * BullMQ on PostgreSQL, in the schema `<prefix>_queues`. A process holds at most 3 connections for its
 * producers and 5 for each worker; idle ones close after 30 s.
 * @throws Error when the server cannot be reached within 10 s or its schema is of a newer BullMQ.
 */
export async function openPostgresQueues(options: {
  databaseUrl: string;
  prefix: string;
  logger: Logger;
}): Promise<QueueBackend> {
  const { databaseUrl, prefix, logger } = options;
  const schema = `${prefix}_queues`;
  await migrate(databaseUrl, schema);
  const config = (max: number): PostgresPoolConfig => ({
    connectionString: databaseUrl,
    schema,
    max,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    connectionTimeoutMillis: 5000,
    idleTimeoutMillis: 30_000,
    query_timeout: 15_000,
    application_name: `${prefix}-queues`,
  });
  const onError = createErrorListener(logger, { server: "postgres" });
  const connection = new PostgresConnection(config(PRODUCER_POOL));
  surviveLosses(connection);
  const root = new PostgresQueueBackend(connection, "", { connection: connection.pool });
  root.on("error", onError);
  await root.waitUntilReady();
  return createBackend({ connection, root, workerConfig: () => config(WORKER_POOL), prefix, onError });
}

function createBackend(deps: {
  connection: PostgresConnection;
  root: PostgresQueueBackend;
  workerConfig: () => PostgresPoolConfig;
  prefix: string;
  onError: (error: Error) => void;
}): QueueBackend {
  const { connection, root, prefix, onError } = deps;
  const queues = createSharedQueues({ root, prefix, onError });
  const flows = new FlowProducer<IQueueBackend, unknown>({ connection: undefined }, () => root);
  flows.on("error", onError);

  return {
    kind: "postgres",
    flows,
    jobsPerCall: 1000,
    queue: queues.get,
    createWorker(name: string, processor: BullProcessor, options: BullWorkerOptions): BullWorker {
      const workerConnection = deps.workerConfig();
      return new Worker<unknown, unknown, string, IQueueBackend, JobProgress, unknown>(
        name,
        processor,
        { ...options, connection: workerConnection },
        (queueName, opts, factoryOptions) => {
          const own = { ...opts, connection: workerConnection };
          const backend = createPostgresBackend(queueName, own, factoryOptions);
          surviveLosses((backend as unknown as { connection: PostgresConnection }).connection);
          return backend;
        },
      );
    },
    // the pool dials anew for every call, within its own time limit
    whenReachable: () => Promise.resolve(),
    isReachable: () => true,
    async findStates(name, jobIds) {
      if (jobIds.length === 0) return [];
      const { rows } = await connection.pool.query<{ state: string | null }>(
        `SELECT j.state::text AS state FROM unnest($2::text[]) WITH ORDINALITY AS wanted (id, position)
         LEFT JOIN job j ON j.queue = $1 AND j.id = wanted.id ORDER BY wanted.position`,
        [name, jobIds],
      );
      return rows.map((row) => row.state ?? "unknown");
    },
    findTaken: () => Promise.resolve([]),
    async listQueueNames() {
      const { rows } = await connection.pool.query<{ queue: string }>("SELECT DISTINCT queue FROM meta");
      return [...new Set([...rows.map((row) => row.queue), ...queues.names()])].sort();
    },
    checkServer: () => Promise.resolve(undefined),
    async close() {
      await queues.close();
      await flows.close();
      await root.close();
    },
  };
}

/**
 * A connection that is lost while BullMQ uses it fails its queries, which is heard; the `error` event of the client
 * itself has no listener meanwhile and would end the process.
 */
function surviveLosses({ pool }: PostgresConnection): void {
  (pool as unknown as pg.Pool).on("connect", (client) => client.on("error", () => undefined));
}

/** Creates or updates BullMQ's tables. Its own advisory lock makes processes that start together wait for one. */
async function migrate(databaseUrl: string, schema: string): Promise<void> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    connectionTimeoutMillis: CONNECT_LIMIT_MS,
    application_name: "headrace-queue-migrations",
  });
  await client.connect();
  try {
    if ((await readSchemaVersion(client, schema)) < LATEST_SCHEMA_VERSION)
      await runMigrations(client, schema);
  } finally {
    await client.end();
  }
}

async function readSchemaVersion(client: pg.Client, schema: string): Promise<number> {
  try {
    return await assertSchemaCompatibility(client, schema);
  } catch (error) {
    if (error instanceof SchemaMigrationRequiredError) return 0;
    throw error;
  }
}
