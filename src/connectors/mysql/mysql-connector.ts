import { connect as connectSocket } from "node:net";
import mysql, { type Connection, type Pool, type PoolConnection } from "mysql2";
import { CONNECT_SECONDS, withDeadline } from "../deadline.js";
import { groupTables, type ScannedColumn } from "../group-tables.js";
import { limitWire, type WireLimit, type WireStream } from "../limit-wire.js";
import { resolveAddress, toTlsOptions } from "../network-fields.js";
import { scrubMessage } from "../scrub.js";
import {
  type Connector,
  ConnectorError,
  type ConnectorGround,
  type DatabaseSchema,
  type DbSecrets,
  MAX_SCHEMA_COLUMNS,
  type QueryRequest,
  type QueryResult,
} from "../types.js";
import { cutConnection } from "./cut-connection.js";
import type { MysqlConfig } from "./definition.js";
import { runPrepared } from "./run-prepared.js";

const POOL_SIZE = 4;
const SCAN_SECONDS = 60;
/** Errors of the server about who we are and where we go; those of the client library have no number. */
const CONNECTION_ERRORS = new Set([1040, 1044, 1045, 1049, 1129, 1130, 1203, 1226, 3118]);
const WRONG_PARAMS = new Set([1210]);

/** Opens a way to a MySQL or MariaDB server; the first use connects. */
export function openMysql(config: MysqlConfig, secrets: DbSecrets, ground: ConnectorGround): Connector {
  let pool: Pool | undefined;

  async function use<T>(
    limits: { seconds: number; signal: AbortSignal },
    work: (connection: PoolConnection) => Promise<T>,
    isCut: (result: T) => boolean = () => false,
  ): Promise<T> {
    let connection: PoolConnection | undefined;
    let wire: WireLimit | undefined;
    try {
      pool ??= makePool(config, secrets, await resolveAddress(config.host, config.port, ground.guard));
      const wait = { ...limits, seconds: CONNECT_SECONDS, stop: () => undefined };
      const held = await withDeadline(wait, takeConnection(pool));
      connection = held;
      wire = limitWire((held as unknown as { stream: WireStream }).stream);
      const stop = () => killQuery(config, secrets, held);
      const result = await withDeadline({ ...limits, stop }, work(held));
      if (isCut(result)) return result;
      await run(held, (done) => held.reset(done)); // settings, locks, temporary tables
      wire.lift();
      held.release();
      return result;
    } catch (error) {
      if (connection) cutConnection(connection);
      wire?.assertWithin();
      throw toConnectorError(error, secrets);
    }
  }

  return {
    test: async (signal) =>
      await use({ seconds: CONNECT_SECONDS, signal }, async (connection) => {
        const [row] = await readAll<{ version: string }>(connection, "SELECT VERSION() AS version");
        return { serverVersion: row?.version };
      }),
    query: async (request) =>
      await use(
        { seconds: request.timeoutSeconds, signal: request.signal },
        async (connection) => await runStatement(connection, request),
        // where there was more to read than was wanted, the line was cut
        (result) => result.truncated,
      ),
    scanSchema: async (signal) =>
      await use({ seconds: SCAN_SECONDS, signal }, async (connection) => await scan(connection)),
    async close() {
      const open = pool;
      pool = undefined;
      if (open) await run(open, (done) => open.end(done));
    },
  };
}

function makePool(
  { host, port, databaseName, username, ssl, options }: MysqlConfig,
  { password }: DbSecrets,
  address: string,
): Pool {
  const tls = toTlsOptions(ssl, host);
  return mysql.createPool({
    host,
    port,
    // the address that was judged: the name is not resolved again
    stream: () => connectSocket({ host: address, port }),
    database: databaseName,
    user: username,
    password: password ?? "",
    charset: options?.charset ?? "utf8mb4",
    ...(tls ? { ssl: { ...tls, verifyIdentity: tls.rejectUnauthorized } } : {}),
    connectionLimit: POOL_SIZE,
    connectTimeout: CONNECT_SECONDS * 1_000,
    idleTimeout: 30_000,
    multipleStatements: false,
    // a server may ask the client for any of its files
    flags: ["-LOCAL_FILES"],
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    rowsAsArray: true,
  });
}

/**
 * Runs one statement, prepared, so that the server takes one alone. Under `readOnly` it stands in a read-only
 * transaction, and what gives no rows (INTO OUTFILE, CALL, SET, COMMIT) is not begun.
 */
async function runStatement(connection: PoolConnection, request: QueryRequest): Promise<QueryResult> {
  if (!request.readOnly) return await runPrepared(connection, request);
  await run(connection, (done) => connection.query("START TRANSACTION READ ONLY", done));
  const result = await runPrepared(connection, request);
  // a result that was cut has cost the connection, and with it the transaction
  if (!result.truncated) await run(connection, (done) => connection.query("ROLLBACK", done));
  return result;
}

const SCAN = `
  SELECT c.TABLE_SCHEMA AS \`schema\`, c.TABLE_NAME AS \`table\`, t.TABLE_TYPE AS kind, t.TABLE_ROWS AS rowEstimate,
    c.COLUMN_NAME AS name, c.COLUMN_TYPE AS type, c.IS_NULLABLE AS nullable, c.COLUMN_DEFAULT AS \`default\`,
    c.COLUMN_KEY AS columnKey,
    (SELECT CONCAT(k.REFERENCED_TABLE_SCHEMA, '.', k.REFERENCED_TABLE_NAME, '.', k.REFERENCED_COLUMN_NAME)
     FROM information_schema.KEY_COLUMN_USAGE k
     WHERE k.TABLE_SCHEMA = c.TABLE_SCHEMA AND k.TABLE_NAME = c.TABLE_NAME AND k.COLUMN_NAME = c.COLUMN_NAME
       AND k.REFERENCED_TABLE_NAME IS NOT NULL LIMIT 1) AS \`references\`
  FROM information_schema.COLUMNS c
  JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
  WHERE c.TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')
  ORDER BY c.TABLE_SCHEMA, c.TABLE_NAME, c.ORDINAL_POSITION
  LIMIT ${MAX_SCHEMA_COLUMNS + 1}`;

async function scan(connection: PoolConnection): Promise<DatabaseSchema> {
  const rows = await readAll<
    Omit<ScannedColumn, "nullable" | "primaryKey" | "rowEstimate"> & {
      nullable: string;
      columnKey: string;
      rowEstimate: string | null;
    }
  >(connection, SCAN);
  return groupTables(
    rows.map(({ nullable, columnKey, rowEstimate, kind, ...row }) => ({
      ...row,
      kind: /VIEW/.test(kind) ? "view" : "table",
      nullable: nullable === "YES",
      primaryKey: columnKey === "PRI",
      rowEstimate: rowEstimate === null ? null : Number(rowEstimate),
    })),
  );
}

async function readAll<Row>(connection: PoolConnection, sql: string): Promise<Row[]> {
  return await run<Row[]>(connection, (done) =>
    connection.query({ sql, rowsAsArray: false }, (error, rows) => done(error, rows as Row[])),
  );
}

async function takeConnection(pool: Pool): Promise<PoolConnection> {
  return await run(pool, (done) => pool.getConnection(done));
}

type Done<T> = (error: Error | null, value?: T) => void;

/** The library's promises would hide the events that rows are read by. */
function run<T>(_of: object, start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error ? reject(error) : resolve(value as T)));
  });
}

/** Cutting the line alone would let the server work on. */
function killQuery(config: MysqlConfig, secrets: DbSecrets, connection: PoolConnection): void {
  const address = (connection as unknown as { stream: { remoteAddress?: string } }).stream.remoteAddress;
  const { threadId } = connection;
  cutConnection(connection);
  if (address === undefined) return;
  const pool = makePool(config, secrets, address);
  const end = () => pool.end(() => undefined);
  pool.query(`KILL ${Number(threadId)}`, end);
  setTimeout(end, CONNECT_SECONDS * 1_000).unref();
}

function toConnectorError(error: unknown, secrets: DbSecrets): ConnectorError {
  if (error instanceof ConnectorError) return error;
  const { errno, sqlState, message } = error as Partial<Connection> & {
    errno?: number;
    sqlState?: string;
    message: string;
  };
  const said = scrubMessage(message, secrets);
  if (errno === undefined || sqlState === undefined || CONNECTION_ERRORS.has(errno)) {
    return new ConnectorError("connection", said, error);
  }
  return new ConnectorError(WRONG_PARAMS.has(errno) ? "params" : "statement", said, error);
}
