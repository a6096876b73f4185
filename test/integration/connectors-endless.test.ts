import { type EventEmitter, once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import mysql from "mysql2";
import { findConnector } from "../../src/connectors/registry.js";
import type { Connector } from "../../src/connectors/types.js";
import type { DbType } from "../../src/contracts/api/external-db-configs.js";
import { createOutgoingGuard } from "../../src/outgoing/outgoing-guard.js";
import { eventually } from "../support/eventually.js";
import { mariadbServer, type OwnMariadb, startOwnMariadb } from "../support/own-mariadb.js";
import { describeWith } from "../support/requirements.js";

const ground = { guard: createOutgoingGuard({ allowedPrivateHosts: ["127.0.0.1"] }), dataDir: "/nowhere" };
const MEBIBYTE = 1024 ** 2;

/** Writes for as long as somebody reads. */
function pour(socket: Socket, next: () => Buffer): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(next()));
  };
  socket.on("drain", more);
  more();
}

function message(type: string, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(5);
  head.write(type, 0, "latin1");
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function int(size: 2 | 4, value: number): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeIntBE(value, 0, size);
  return bytes;
}

const COLUMN = [Buffer.from("schema\0"), int(4, 0), int(2, 0), int(4, 25), int(2, -1), int(4, -1), int(2, 0)];
const ROW = message("D", int(2, 1), int(4, MEBIBYTE), Buffer.alloc(MEBIBYTE, "x"));

/** Lets anybody in, and answers each query with a row that is followed by another. */
function servePostgresql(socket: Socket): void {
  socket.on("error", () => undefined);
  socket.once("data", () => {
    socket.write(Buffer.concat([message("R", int(4, 0)), message("Z", Buffer.from("I"))]));
    socket.once("data", () => {
      socket.write(message("T", int(2, 1), ...COLUMN));
      pour(socket, () => ROW);
    });
  });
}

describe("a database that never comes to an end", () => {
  let server: Server;
  let connector: Connector;
  afterEach(async () => {
    await connector.close();
    server.close();
  });

  async function open(dbType: DbType, serve: (socket: Socket) => void): Promise<void> {
    server = createServer(serve).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const config = { host: "127.0.0.1", port, databaseName: "d", username: "u" };
    connector = findConnector(dbType).open(config, { password: "p" }, ground);
  }

  async function expectCut(work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    const before = process.memoryUsage().rss;
    await expect(work(new AbortController().signal)).rejects.toMatchObject({
      message: "The result is too large to be read",
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(600 * MEBIBYTE);
  }

  it("is cut off by PostgreSQL's connector, whatever it is asked", async () => {
    await open("postgresql", servePostgresql);
    await expectCut(async (signal) => await connector.test(signal));
    await expectCut(async (signal) => await connector.scanSchema(signal));
  }, 60_000);

  it("is cut off by MySQL's connector, whatever it is asked", async () => {
    const endless = serveMysql();
    await open("mysql", (socket) => endless.emit("connection", socket));
    await expectCut(async (signal) => await connector.test(signal));
    await expectCut(async (signal) => await connector.scanSchema(signal));
  }, 60_000);
});

/** Lets anybody in, and answers each query with a row that is followed by another. */
function serveMysql(): EventEmitter {
  // the library's server takes sockets as its own net server would hand them over
  const server = mysql.createServer() as unknown as { _server: EventEmitter; on: EventEmitter["on"] };
  let id = 0;
  server.on("connection", (connection: FakeConnection) => {
    id += 1;
    connection.serverHandshake({
      ...{ protocolVersion: 10, serverVersion: "8.0.0", connectionId: id, statusFlags: 2, characterSet: 45 },
      ...{ capabilityFlags: 0x00ff_fff7 & ~0x0800, authCallback: (_: unknown, done: (error: null) => void) => done(null) },
    });
    connection.on("error", () => undefined);
    connection.on("query", () => {
      connection.writeColumns([{ catalog: "def", schema: "", name: "version", columnType: 253, characterSet: 45 }]);
      const row = Buffer.alloc(MEBIBYTE, "x").toString();
      const more = (): void => {
        if (connection.stream.destroyed) return;
        connection.writeTextRow([row]);
        setImmediate(more);
      };
      more();
    });
  });
  return server._server;
}

/** What the driver's server side has and its types leave out. */
interface FakeConnection extends EventEmitter {
  readonly stream: Socket;
  serverHandshake(options: object): void;
  writeColumns(columns: readonly object[]): void;
  writeTextRow(values: readonly string[]): void;
}

describeWith(mariadbServer, "with a server of MariaDB", () => {
  let server: OwnMariadb;
  let connector: Connector;
  beforeAll(async () => {
    server = await startOwnMariadb();
    await server.run("SET GLOBAL max_allowed_packet = 1073741824", "CREATE DATABASE endless");
    const config = { host: "127.0.0.1", port: server.port, databaseName: "endless", username: server.user };
    connector = findConnector("mysql").open(config, { password: server.password }, ground);
  }, 60_000);
  afterAll(async () => {
    await connector.close();
    await server.stop();
  });
  const query = async (sql: string, more: { maxRows?: number; timeoutSeconds?: number; readOnly?: boolean } = {}) =>
    await connector.query({
      ...{ sql, params: [], maxRows: 1_000, readOnly: true, timeoutSeconds: 30, ...more },
      signal: new AbortController().signal,
    });
  const BILLION = "seq_1_to_1000000000";

  it.each([true, false])("reads so many of a billion rows, and no more; readOnly: %s", async (readOnly) => {
    const begun = performance.now();
    const before = process.memoryUsage().rss;
    const result = await query(`SELECT seq FROM ${BILLION}`, { readOnly });
    expect(result).toMatchObject({ rowCount: 1_000, truncated: true });
    expect(performance.now() - begun).toBeLessThan(5_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * MEBIBYTE);
    await expectIdle();
  }, 60_000);

  it.each([
    ["that count a billion rows", `SELECT sum(a.seq * 7 % 11) FROM ${BILLION} a`],
    ["that sort them before the first one", `SELECT seq FROM ${BILLION} ORDER BY rand()`],
    ["that wait", "SELECT sleep(100)"],
    ["that wait in each row", `SELECT sleep(1), seq FROM ${BILLION}`],
  ])("ends statements %s, on the server as well", async (_what, sql) => {
    const begun = performance.now();
    await expect(query(sql, { timeoutSeconds: 1 })).rejects.toMatchObject({ fault: "timeout" });
    expect(performance.now() - begun).toBeLessThan(3_000);
    await expectIdle();
  }, 60_000);

  it("cuts a cell of a gigabyte, and many large ones", async () => {
    const before = process.memoryUsage().rss;
    for (const sql of ["SELECT repeat('x', 1000000000) AS text", "SELECT repeat('x', 10000000) AS text FROM seq_1_to_1000000"]) {
      const outcome = await query(sql).catch((error: unknown) => error);
      if (outcome instanceof Error) expect(outcome.message).toMatch(/too large/);
      else expect(outcome).toMatchObject({ truncated: true });
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(600 * MEBIBYTE);
    expect((await query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    await expectIdle();
  }, 60_000);

  /** Nothing of what was ended goes on. */
  async function expectIdle(): Promise<void> {
    await eventually(async () => {
      const { rows } = await query(
        "SELECT count(*) AS n FROM information_schema.processlist WHERE command IN ('Query', 'Execute') AND id <> connection_id()",
      );
      expect(rows).toEqual([{ n: 0 }]);
    });
  }
});
