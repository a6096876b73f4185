import { connect } from "node:net";

/** An event stream's client that takes 1 KiB a second from the kernel. */
export interface SlowClient {
  /** Number of the last event that it has had whole. */
  lastId(): number;
  close(): void;
}

const BYTES = 1024;
const EVERY_MS = 1000;

/** Opens a stream over HTTP; resolves once it is connected. */
export async function openSlowClient(
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<SlowClient> {
  const { hostname, port, pathname } = new URL(url);
  let text = "";
  let lastId = 0;
  const take = (bytes: number, buffer: Uint8Array): boolean => {
    text += Buffer.from(buffer.subarray(0, bytes)).toString("latin1");
    const end = text.lastIndexOf("\n\n");
    if (end < 0) return false;
    for (const match of text.slice(0, end).matchAll(/^id: (\d+)$/gm)) lastId = Number(match[1]);
    text = text.slice(end);
    return false; // nothing more until it is asked for
  };
  const onread = { buffer: Buffer.alloc(BYTES), callback: take };
  const socket = connect({ host: hostname, port: Number(port), onread });
  const timer = setInterval(() => socket.resume(), EVERY_MS);
  socket.on("error", () => undefined);
  socket.on("close", () => clearInterval(timer));
  await new Promise((resolve) => socket.once("connect", resolve));
  const lines = Object.entries({ ...headers, host: hostname, accept: "text/event-stream" });
  socket.write(`GET ${pathname} HTTP/1.1\r\n${lines.map((line) => line.join(": ")).join("\r\n")}\r\n\r\n`);
  return {
    lastId: () => lastId,
    close: () => socket.destroy(),
  };
}
