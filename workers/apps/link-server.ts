import { open, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { JsonValue } from "../../src/core/json.js";

/** What an app is told of the values that it has sent. */
export type SubmitAnswer =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly error: string;
      readonly errors?: readonly { readonly path: string; readonly message: string }[];
    };

/** The socket on which an app sends values back. */
export interface LinkServer {
  close(): Promise<void>;
}

/** Its name in the app's folder. */
const SOCKET_NAME = "headrace.sock";
const MOST_CONNECTIONS = 16;
/** A connection without a word for so long is cut. */
const SILENCE_LIMIT_MS = 30_000;
const LINE_FEED = 10;

/** Listens in an app's folder: one document a line, each answered by one. */
export async function openLinkServer(link: {
  readonly folder: string;
  readonly maxBytes: number;
  submit(values: JsonValue): Promise<SubmitAnswer>;
}): Promise<LinkServer> {
  const sockets = new Set<Socket>();
  // of all connections together: an app could else have sixteen times the limit held
  const held = { bytes: 0 };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    serve(socket, link, held);
  });
  server.maxConnections = MOST_CONNECTIONS;
  const path = join(link.folder, SOCKET_NAME);
  await rm(path, { force: true });
  // by way of the folder's handle: the kernel takes 107 bytes of path; open to the end, when the name is removed by it
  const folder = await open(link.folder);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(`/proc/self/fd/${folder.fd}/${SOCKET_NAME}`, resolve);
    });
  } catch (error) {
    await folder.close();
    throw error;
  }
  return {
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await folder.close();
    },
  };
}

function serve(
  socket: Socket,
  link: { readonly maxBytes: number; submit(values: JsonValue): Promise<SubmitAnswer> },
  held: { bytes: number },
): void {
  let parts: Buffer[] = [];
  let bytes = 0;
  const release = (): void => {
    held.bytes -= bytes;
    bytes = 0;
    parts = [];
  };
  socket.once("close", release);
  socket.setTimeout(SILENCE_LIMIT_MS, () => socket.destroy());
  const answer = (told: SubmitAnswer): void => void socket.write(`${JSON.stringify(told)}\n`);
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    held.bytes += chunk.length;
    parts.push(chunk);
    if (held.bytes > link.maxBytes) {
      release();
      socket.end(
        `${JSON.stringify({ ok: false, error: `The values have more than ${link.maxBytes} bytes` })}\n`,
      );
      socket.removeAllListeners("data").resume();
      return;
    }
    if (!chunk.includes(LINE_FEED)) return;
    const text = Buffer.concat(parts).toString("utf8");
    release();
    const values = readValues(text);
    if (values === undefined) return answer({ ok: false, error: "That is no { values } in JSON" });
    socket.setTimeout(0);
    void link.submit(values).then(answer);
  });
}

/** The values of a message; undefined when it is none. */
export function readValues(text: string): JsonValue | undefined {
  try {
    const message: unknown = JSON.parse(text);
    return (message as { values?: JsonValue } | null)?.values;
  } catch {
    return undefined;
  }
}
