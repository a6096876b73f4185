import pg from "pg";
import { CONNECT_SECONDS, withDeadline } from "../deadline.js";
import { limitWire, type WireLimit, type WireStream } from "../limit-wire.js";
import { resolveAddress, toTlsOptions } from "../network-fields.js";
import { scrubMessage } from "../scrub.js";
import {
  type Connector,
  ConnectorError,
  type ConnectorGround,
  type DbSecrets,
  type QueryRequest,
  type QueryResult,
} from "../types.js";
import type { PostgresqlConfig } from "./definition.js";
import { CarefulClient } from "./careful-client.js";
import { openPostgresqlSession } from "./open-session.js";
import { readRows } from "./read-rows.js";
import { scanPostgresql } from "./scan-postgresql.js";

/** Connections to one database at once, from one process. */
const POOL_SIZE = 4;
const IDLE_MS = 30_000;
const SCAN_SECONDS = 60;
/** PostgreSQL's classes of errors that say something of the connection, not of the statement. */
const CONNECTION_STATES = /^(?:08(?!P01)|28|3D|53|57P0|XX)/;

/** Opens a way to a PostgreSQL server; the first use connects. */
export function openPostgresql(
  config: PostgresqlConfig,
  secrets: DbSecrets,
  ground: ConnectorGround,
): Connector {
  let pool: pg.Pool | undefined;

  async function connect(): Promise<pg.PoolClient> {
    pool ??= await makePool(config, secrets, ground);
    try {
      return await pool.connect();
    } catch (error) {
      // the name may lead elsewhere by now: the next use resolves it again
      const broken = pool;
      pool = undefined;
      broken.end().catch(() => undefined);
      throw error;
    }
  }

  async function use<T>(
    limits: { seconds: number; signal: AbortSignal },
    work: (client: pg.PoolClient) => Promise<T>,
  ): Promise<T> {
    const seconds = CONNECT_SECONDS;
    let client: pg.PoolClient | undefined;
    let wire: WireLimit | undefined;
    try {
      const held = await withDeadline({ ...limits, seconds, stop: () => undefined }, connect());
      client = held;
      wire = limitWire(streamOf(held));
      const result = await withDeadline({ ...limits, stop: () => destroy(held) }, work(held));
      // nothing of this use is left for the next: locks, settings, prepared statements, temporary tables
      await held.query("DISCARD ALL");
      wire.lift();
      held.release();
      return result;
    } catch (error) {
      client?.release(true);
      wire?.assertWithin();
      throw toConnectorError(error, secrets);
    }
  }

  return {
    test: async (signal) =>
      await use({ seconds: CONNECT_SECONDS, signal }, async (client) => {
        const { rows } = await client.query<{ server_version: string }>("SHOW server_version");
        return { serverVersion: rows[0]?.server_version };
      }),
    query: async (request) =>
      await use({ seconds: request.timeoutSeconds, signal: request.signal }, async (client) =>
        runStatement(client, request),
      ),
    openSession: async (options) => await openPostgresqlSession(config, secrets, ground, options),
    scanSchema: async (signal) => await use({ seconds: SCAN_SECONDS, signal }, scanPostgresql),
    async close() {
      await pool?.end();
      pool = undefined;
    },
  };
}

async function makePool(
  { host, port, databaseName, username, ssl, options }: PostgresqlConfig,
  { password }: DbSecrets,
  { guard }: ConnectorGround,
): Promise<pg.Pool> {
  const address = await resolveAddress(host, port, guard);
  const pool = new pg.Pool({
    Client: CarefulClient,
    host: address,
    port,
    database: databaseName,
    user: username,
    // a function: the library would look for a password file when there is none
    password: () => password ?? "",
    ssl: toTlsOptions(ssl, host) ?? false,
    application_name: options?.application_name ?? "headrace-connection",
    ...(options?.search_path === undefined
      ? {}
      : { options: `-c search_path=${escape(options.search_path)}` }),
    max: POOL_SIZE,
    idleTimeoutMillis: IDLE_MS,
    connectionTimeoutMillis: CONNECT_SECONDS * 1_000,
    allowExitOnIdle: true,
  });
  pool.on("error", () => undefined); // an idle connection that broke; the pool has dropped it
  return pool;
}

function escape(value: string): string {
  return value.replace(/[\\ ]/g, "\\$&");
}

/**
 * Runs one statement. Under `readOnly` the server holds it to reading: a transaction that is read-only from its
 * first query on cannot be turned back, the extended protocol takes no second statement that could leave it, and
 * what gives no rows (COPY, DO, CALL, SET) is not begun.
 */
async function runStatement(client: pg.PoolClient, request: QueryRequest): Promise<QueryResult> {
  const milliseconds = Math.ceil(request.timeoutSeconds * 1_000);
  if (!request.readOnly) {
    await client.query(`SET statement_timeout = ${milliseconds}`);
    return await readRows(client, request);
  }
  await client.query("BEGIN TRANSACTION READ ONLY");
  await client.query(`SET LOCAL statement_timeout = ${milliseconds}`);
  await giveUpRights(client);
  const result = await readRows(client, request);
  // after a fault the connection is given up, and the transaction with it
  await client.query("ROLLBACK");
  return result;
}

/**
 * A superuser may read and write files of its server even in a read-only transaction; a role that may read every
 * table and nothing else may not. This takes the snapshot too, after which a transaction stays read-only.
 */
async function giveUpRights(client: pg.PoolClient): Promise<void> {
  const { rows } = await client.query<{ can_lower: boolean }>(
    `SELECT current_setting('is_superuser') = 'on'
       AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'pg_read_all_data') AS can_lower`,
  );
  if (rows[0]?.can_lower) await client.query("SET LOCAL ROLE pg_read_all_data");
}

function destroy(client: pg.PoolClient): void {
  streamOf(client).destroy();
}

/** What the driver has and its types leave out. */
function streamOf(client: pg.PoolClient): WireStream {
  return (client as unknown as { connection: { stream: WireStream } }).connection.stream;
}

function toConnectorError(error: unknown, secrets: DbSecrets): ConnectorError {
  if (error instanceof ConnectorError) return error;
  const { code = "", message } = error as { code?: string; message: string };
  const said = scrubMessage(message, secrets);
  if (code === "57014") return new ConnectorError("timeout", "It took too long and was ended", error);
  if (code === "08P01") return new ConnectorError("params", said, error);
  const isStatement = /^[0-9A-Z]{5}$/.test(code) && !CONNECTION_STATES.test(code);
  return new ConnectorError(isStatement ? "statement" : "connection", said, error);
}
