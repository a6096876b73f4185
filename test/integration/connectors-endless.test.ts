import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import mysql from "mysql2";
import { afterEach, describe, expect, it } from "@jest/globals";
import { findConnector } from "../../src/connectors/registry.js";
import type { Connector } from "../../src/connectors/types.js";
import type { DbType } from "../../src/contracts/api/external-db-configs.js";
import { createOutgoingGuard } from "../../src/outgoing/outgoing-guard.js";

const ground = { guard: createOutgoingGuard({ allowedPrivateHosts: ["127.0.0.1"] }), dataDir: "/nowhere" };
const MEBIBYTE = 1024 ** 2;
const TEXT = "x".repeat(MEBIBYTE);

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
const ROW = message("D", int(2, 1), int(4, MEBIBYTE), Buffer.from(TEXT));

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

/** What the driver has for the other side, and its types leave out. */
interface ServedConnection {
  readonly stream: Socket;
  serverHandshake(options: object): void;
  on(event: "query" | "error", listener: () => void): void;
  writeColumns(columns: readonly object[]): void;
}

function serveMysql(given: unknown): void {
  const connection = given as ServedConnection;
  connection.on("error", () => undefined);
  connection.serverHandshake({
    ...{ protocolVersion: 10, serverVersion: "8.0.0", connectionId: 1, statusFlags: 2, characterSet: 8 },
    capabilityFlags: 0xffffff,
  });
  connection.on("query", () => {
    const names = { catalog: "def", schema: "", table: "", orgTable: "", name: "schema", orgName: "schema" };
    connection.writeColumns([
      { ...names, characterSet: 33, columnLength: MEBIBYTE, columnType: 253, flags: 0, decimals: 0 },
    ]);
    // a row: its length, which takes four bytes, and its only cell; packets are numbered, and the columns took three
    const cell = Buffer.concat([Buffer.from([0xfd, 0, 0, MEBIBYTE >> 16]), Buffer.from(TEXT)]);
    const head = Buffer.from([cell.length & 0xff, (cell.length >> 8) & 0xff, cell.length >> 16, 0]);
    let sequence = 3;
    pour(connection.stream, () => {
      sequence = (sequence + 1) % 256;
      head[3] = sequence;
      return Buffer.concat([head, cell]);
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
    const served = mysql.createServer(serveMysql) as unknown as { _handleConnection(socket: Socket): void };
    await open("mysql", (socket) => served._handleConnection(socket));
    // its driver reads slowly: the ten seconds of a test of the connection may end first
    await expectCut(async (signal) => await connector.scanSchema(signal));
  }, 60_000);
});
