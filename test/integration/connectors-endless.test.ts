import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { findConnector } from "../../src/connectors/registry.js";
import type { Connector } from "../../src/connectors/types.js";
import type { DbType } from "../../src/contracts/api/external-db-configs.js";
import { createOutgoingGuard } from "../../src/outgoing/outgoing-guard.js";

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
});
