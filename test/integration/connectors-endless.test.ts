import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
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
    await open("mysql", serveMysql);
    await expectCut(async (signal) => await connector.test(signal));
    await expectCut(async (signal) => await connector.scanSchema(signal));
  }, 60_000);
});

/** A packet of MySQL's protocol. */
function packet(sequence: number, ...parts: (Buffer | string)[]): Buffer {
  const body = Buffer.concat(
    parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part)),
  );
  const head = Buffer.alloc(4);
  head.writeUIntLE(body.length, 0, 3);
  head.writeUInt8(sequence & 0xff, 3);
  return Buffer.concat([head, body]);
}

const GREETING = [
  "\x0a8.0.0\0\x01\0\0\0abcdefgh\0\x09\xa2\x2d\x02\0\x08\0\x15",
  `${"\0".repeat(10)}ijklmnopqrst\0mysql_native_password\0`,
];
const DEFINITION = "\x03def\0\0\0\x07version\x07version\x0c\x2d\0\xff\xff\xff\0\xfd\0\0\0\0\0";

/** Lets anybody in, and answers each query with a row that is followed by another. */
function serveMysql(socket: Socket): void {
  socket.on("error", () => undefined);
  socket.write(packet(0, ...GREETING));
  socket.once("data", () => {
    socket.write(packet(2, "\0\0\0\x02\0\0\0"));
    socket.once("data", () => {
      socket.write(Buffer.concat([packet(1, "\x01"), packet(2, DEFINITION), packet(3, "\xfe\0\0\x02\0")]));
      let sequence = 3;
      pour(socket, () => packet((sequence += 1), "\xfd\0\0\x10", Buffer.alloc(MEBIBYTE, "x")));
    });
  });
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
  const query = async (
    sql: string,
    more: { maxRows?: number; timeoutSeconds?: number; readOnly?: boolean } = {},
  ) =>
    await connector.query({
      ...{ sql, params: [], maxRows: 1_000, readOnly: true, timeoutSeconds: 30, ...more },
      signal: new AbortController().signal,
    });
  const BILLION = "seq_1_to_1000000000";

  it.each([true, false])(
    "reads so many of a billion rows, and no more; readOnly: %s",
    async (readOnly) => {
      const begun = performance.now();
      const before = process.memoryUsage().rss;
      const result = await query(`SELECT seq FROM ${BILLION}`, { readOnly });
      expect(result).toMatchObject({ rowCount: 1_000, truncated: true });
      expect(performance.now() - begun).toBeLessThan(5_000);
      expect(process.memoryUsage().rss - before).toBeLessThan(300 * MEBIBYTE);
      // the line is cut, and not read to the limit of what may cross it
      await expectIdle(2_000);
    },
    60_000,
  );

  it.each([
    ["that count a billion rows", `SELECT sum(a.seq * 7 % 11) FROM ${BILLION} a`],
    ["that sort them before the first one", `SELECT seq FROM ${BILLION} ORDER BY rand()`],
    ["that wait", "SELECT sleep(100)"],
    ["that wait in each row", `SELECT sleep(1), seq FROM ${BILLION}`],
  ])(
    "ends statements %s, on the server as well",
    async (_what, sql) => {
      const begun = performance.now();
      await expect(query(sql, { timeoutSeconds: 1 })).rejects.toMatchObject({ fault: "timeout" });
      expect(performance.now() - begun).toBeLessThan(3_000);
      await expectIdle();
    },
    60_000,
  );

  it("cuts a cell that is huge, and many large ones", async () => {
    const before = process.memoryUsage().rss;
    for (const sql of [
      "SELECT repeat('x', 300000000) AS text",
      "SELECT repeat('x', 10000000) AS text FROM seq_1_to_1000",
    ]) {
      const begun = performance.now();
      const outcome = await query(sql).catch((error: unknown) => error);
      expect(performance.now() - begun).toBeLessThan(15_000); // not by its time-out
      if (outcome instanceof Error) expect(outcome.message).toMatch(/too large/);
      else expect(outcome).toMatchObject({ truncated: true });
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(600 * MEBIBYTE);
    expect((await query("SELECT 1 AS one")).rows).toEqual([{ one: 1 }]);
    await expectIdle();
  }, 60_000);

  /** Nothing of what was ended goes on. */
  async function expectIdle(limitMs?: number): Promise<void> {
    await eventually(
      "no statement goes on",
      async () => {
        const { rows } = await query(
          "SELECT count(*) AS n FROM information_schema.processlist WHERE command IN ('Query', 'Execute') AND id <> connection_id()",
        );
        return rows[0]?.["n"] === 0;
      },
      limitMs,
    );
  }
});
