import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { findConnector } from "../../src/connectors/registry.js";
import { createOutgoingGuard } from "../../src/outgoing/outgoing-guard.js";

const ground = { guard: createOutgoingGuard({ allowedPrivateHosts: ["127.0.0.1"] }), dataDir: "/nowhere" };

/** A message of PostgreSQL's server: its type, its length and what it holds. */
function message(type: string, ...bytes: number[]): Buffer {
  return Buffer.from([type.charCodeAt(0), 0, 0, 0, bytes.length + 4, ...bytes]);
}

const WELCOME = [message("R", 0, 0, 0, 0), message("Z", 0x49)];
/** What is sent at once, and what once the client has asked something. */
const CASES: readonly [string, readonly Buffer[], readonly Buffer[]][] = [
  ["an unknown way to sign in", [message("R", 0, 0, 0, 99)], []],
  ["a message without its content", [message("R")], []],
  ["a message that says it has no length", [Buffer.from([0x52, 0, 0, 0, 0])], []],
  ["another protocol", [Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")], []],
  ["a row that nobody asked for", [...WELCOME, message("D", 0, 5, 0, 0, 0, 4, 1)], []],
  ["an end of nothing", [...WELCOME, message("C", 0x58, 0)], []],
  ["columns that are not there", WELCOME, [message("T", 0, 50, 0x61)]],
  ["a row that is too short", WELCOME, [message("D", 0, 3, 0, 0, 0, 9)]],
];

describe("a server that does not speak PostgreSQL's protocol", () => {
  let server: Server;
  afterEach(() => {
    server.close();
  });

  // what a driver throws where nobody waits for it would end the process, and fail this file
  it.each(CASES)("is a fault and nothing worse: %s", async (_name, first, then) => {
    server = createServer((socket: Socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => {
        socket.write(Buffer.concat(first));
        socket.once("data", () => socket.write(Buffer.concat(then)));
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const config = { host: "127.0.0.1", port, databaseName: "d", username: "u" };
    const connector = findConnector("postgresql").open(config, { password: "p" }, ground);
    await expect(connector.test(AbortSignal.timeout(3_000))).rejects.toMatchObject({
      name: "ConnectorError",
    });
    await connector.close();
  });
});
