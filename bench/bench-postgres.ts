import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { type LifecycleLogger, startEmbeddedPostgres } from "../src/lifecycle/embedded-postgres.js";
import { readPostgresRecord } from "../src/lifecycle/postgres-record.js";

/** A database of the benchmark's own. */
export interface BenchPostgres {
  readonly url: string;
  readonly version: string;
  /** The server's process, when it is ours. */
  readonly pid: number | undefined;
  /** Whether `pg_stat_statements` can be used to count statements. */
  readonly hasStatementStatistics: boolean;
  stop(): Promise<void>;
}

/**
 * Starts the PostgreSQL that `npm start` would, in a folder of its own; or makes a database on a given server.
 * @throws Error when the server cannot be started or reached.
 */
export async function startBenchPostgres(options: {
  folder: string;
  databaseUrl: string | undefined;
  logger: LifecycleLogger;
}): Promise<BenchPostgres> {
  if (options.databaseUrl !== undefined) return await makeDatabase(options.databaseUrl);
  const dataDir = join(options.folder, "postgres");
  mkdirSync(dataDir);
  const first = await startEmbeddedPostgres({ dataDir, logger: options.logger });
  try {
    await withClient(first.url, async (client) => {
      await client.query("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'");
      // it counts only while it is told to: measuring must not slow what is measured
      await client.query("ALTER SYSTEM SET pg_stat_statements.track = 'none'");
    });
  } finally {
    await first.stop();
  }
  const server = await startEmbeddedPostgres({ dataDir, logger: options.logger });
  return {
    url: server.url,
    version: server.version,
    pid: readPostgresRecord(dataDir)?.pid,
    hasStatementStatistics: await enableStatistics(server.url),
    stop: server.stop,
  };
}

/** Makes a database of a name of its own on a server. `stop` drops it. */
export async function makeDatabase(serverUrl: string): Promise<BenchPostgres> {
  const name = `headrace_bench_${randomBytes(5).toString("hex")}`;
  await withClient(serverUrl, (client) => client.query(`CREATE DATABASE ${name}`));
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  let version = "unknown";
  await withClient(url.href, async (client) => {
    version =
      (await client.query<{ server_version: string }>("SHOW server_version")).rows[0]?.server_version ??
      version;
  });
  return {
    url: url.href,
    version,
    pid: undefined,
    hasStatementStatistics: await enableStatistics(url.href),
    async stop() {
      await withClient(serverUrl, (client) => client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
    },
  };
}

async function enableStatistics(url: string): Promise<boolean> {
  try {
    await withClient(url, async (client) => {
      await client.query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements");
      await client.query("SELECT 1 FROM pg_stat_statements LIMIT 1");
    });
    return true;
  } catch {
    return false; // a server of somebody else's, without the library: transactions are counted instead
  }
}

/** Runs some queries on a connection of their own. */
async function withClient(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
