import type { Socket } from "node:net";
import { ConnectorError, type WireSession } from "../../src/connectors/types.js";

/** What a step's driver asks for as it connects. */
export interface RelayOptions {
  /** Signs in for it. */
  openSession(options: { readonly readOnly: boolean }): Promise<WireSession>;
}

const SSL_REQUEST = 80_877_103;
const GSS_REQUEST = 80_877_104;
const CANCEL_REQUEST = 80_877_102;
const PROTOCOL_3 = 196_608;
const MOST_STARTUP_BYTES = 10_000;
const STARTUP_LIMIT_MS = 10_000;
/** Whoever connects by this name begins with leave to write. */
const WRITER = "writer";

/**
 * Speaks for a PostgreSQL server to one driver of a step: it signs in with the stored password, of which the step sees
 * nothing, and then joins the two. It resolves when the connection has ended.
 */
export async function relayPostgresql(client: Socket, options: RelayOptions): Promise<void> {
  client.on("error", () => undefined);
  const timer = setTimeout(() => client.destroy(), STARTUP_LIMIT_MS);
  try {
    const user = await readStartup(client);
    clearTimeout(timer);
    if (user === undefined) return;
    await serve(client, await options.openSession({ readOnly: user !== WRITER }));
  } catch (error) {
    const message = error instanceof ConnectorError ? error.message : "The database cannot be reached";
    client.end(toError(message));
  } finally {
    clearTimeout(timer);
  }
}

/** The user that the driver names; undefined when it wants no session. */
async function readStartup(client: Socket): Promise<string | undefined> {
  let received = Buffer.alloc(0);
  for (;;) {
    const length = received.length >= 4 ? received.readUInt32BE(0) : 8;
    if (length > MOST_STARTUP_BYTES || length < 8)
      throw new ConnectorError("connection", "That is no PostgreSQL driver");
    if (received.length < length) {
      const chunk = await readChunk(client);
      if (chunk === undefined) return undefined;
      received = Buffer.concat([received, chunk]);
      continue;
    }
    const message = received.subarray(0, length);
    received = received.subarray(length);
    const code = message.readUInt32BE(4);
    if (code === SSL_REQUEST || code === GSS_REQUEST) {
      client.write("N"); // within one machine there is nothing to encrypt
      continue;
    }
    if (code === CANCEL_REQUEST) {
      client.end();
      return undefined;
    }
    if (code >>> 16 !== PROTOCOL_3 >>> 16) throw new ConnectorError("connection", "The driver is too old");
    if (received.length > 0) client.unshift(received);
    return readParameters(message.subarray(8)).get("user") ?? "";
  }
}

function readChunk(client: Socket): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const settle = (chunk?: Buffer): void => {
      client.off("data", onData).off("close", onClose).off("end", onClose).pause();
      resolve(chunk);
    };
    const onData = (chunk: Buffer): void => settle(chunk);
    const onClose = (): void => settle();
    client.on("data", onData).on("close", onClose).on("end", onClose).resume();
  });
}

function readParameters(bytes: Buffer): Map<string, string> {
  const words = bytes.toString("utf8").split("\0");
  const found = new Map<string, string>();
  for (let at = 0; at + 1 < words.length && words[at] !== ""; at += 2)
    found.set(words[at] ?? "", words[at + 1] ?? "");
  return found;
}

/** What a server says once it has let somebody in; then the two are left to themselves. */
async function serve(
  client: Socket,
  { stream, parameters, processId, secretKey }: WireSession,
): Promise<void> {
  if (client.destroyed) return void stream.destroy();
  const key = Buffer.alloc(8);
  key.writeInt32BE(processId, 0);
  key.writeInt32BE(secretKey, 4);
  client.write(
    Buffer.concat([
      toMessage("R", Buffer.alloc(4)),
      ...[...parameters].map(([name, value]) => toMessage("S", Buffer.from(`${name}\0${value}\0`))),
      toMessage("K", key),
      toMessage("Z", Buffer.from("I")),
    ]),
  );
  await new Promise<void>((resolve) => {
    // what the server has said before it went is still to be read
    stream.once("close", () => client.destroySoon());
    client.once("close", () => {
      stream.destroy();
      resolve();
    });
    client.pipe(stream).pipe(client);
  });
}

function toMessage(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 0, "latin1");
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function toError(message: string): Buffer {
  return toMessage("E", Buffer.from(`SFATAL\0VFATAL\0C08006\0M${message.replaceAll("\0", "")}\0\0`));
}
