import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { withoutHopByHop } from "../../src/outgoing/hop-by-hop.js";
import { type OutgoingGuard, OutgoingRefusedError, portOf } from "../../src/outgoing/outgoing-guard.js";
import type { EgressCount, EgressLog } from "./egress-log.js";

/** An HTTP proxy without a port of its own: it serves the connections that it is handed. */
export interface EgressProxy {
  take(socket: Socket, step: ProxiedStep): void;
}

/** For whom a connection is. */
export interface ProxiedStep {
  readonly guard: OutgoingGuard;
  readonly log: EgressLog;
}

const CONNECT_LIMIT_MS = 10_000;

/**
 * Forwards `CONNECT host:port` and plain requests. The name is resolved and judged here, and the connection made to the
 * address that was judged, so that neither spelling, redirect nor changing DNS leads elsewhere.
 */
export function createEgressProxy(): EgressProxy {
  const steps = new WeakMap<Socket, ProxiedStep>();
  const server = createServer({ maxHeaderSize: 64 * 1024 }, (incoming, response) => {
    const step = steps.get(incoming.socket);
    if (step) void forward(incoming, response, step);
    else response.destroy();
  });
  server.requestTimeout = 0; // the step's own time-out bounds it
  server.on("connect", (incoming: IncomingMessage, client: Duplex, head: Buffer) => {
    const step = steps.get(incoming.socket);
    if (step) void tunnel(incoming.url ?? "", client, head, step);
    else client.destroy();
  });
  server.on("clientError", (_error, socket) => socket.destroy());
  return {
    take(socket, step) {
      steps.set(socket, step);
      server.emit("connection", socket);
    },
  };
}

async function tunnel(authority: string, client: Duplex, head: Buffer, step: ProxiedStep): Promise<void> {
  client.on("error", () => undefined); // the step has hung up
  try {
    const url = toTarget(`https://${authority}`, step);
    // as the client wrote it: a URL leaves a scheme's own port out
    const port = /:(\d{1,5})$/.test(authority)
      ? Number(authority.slice(authority.lastIndexOf(":") + 1))
      : 443;
    const upstream = await open(url.hostname, port, step.guard);
    if (client.destroyed) return void upstream.destroy();
    const count = step.log.open(`${url.hostname}:${port}`);
    client.write("HTTP/1.1 200 Connection established\r\n\r\n");
    if (head.length > 0) upstream.write(head);
    count.sent += head.length;
    join(client, upstream, count);
  } catch (error) {
    const { status, why } = explain(error);
    step.log.refuse(authority, why);
    client.end(`HTTP/1.1 ${status}\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n${why}\n`);
  }
}

async function forward(
  incoming: IncomingMessage,
  response: ServerResponse,
  step: ProxiedStep,
): Promise<void> {
  const target = incoming.url ?? "";
  incoming.on("error", () => undefined);
  try {
    const url = toTarget(target, step);
    if (url.protocol !== "http:")
      throw new OutgoingRefusedError("a proxy forwards http; other protocols use CONNECT");
    const socket = await open(url.hostname, portOf(url), step.guard);
    const count = step.log.open(url.host);
    exchange(incoming, response, { url, socket, count });
  } catch (error) {
    const { status, why } = explain(error);
    step.log.refuse(target.split("?")[0] ?? "", why);
    response.writeHead(Number(status.slice(0, 3)), { "content-type": "text/plain", connection: "close" });
    response.end(`${why}\n`);
  }
}

function exchange(
  incoming: IncomingMessage,
  response: ServerResponse,
  { url, socket, count }: { readonly url: URL; readonly socket: Socket; readonly count: EgressCount },
): void {
  const outgoing = request({
    createConnection: () => socket,
    method: incoming.method,
    path: `${url.pathname}${url.search}`,
    headers: { ...withoutHopByHop(incoming.headers), host: url.host, connection: "close" },
  });
  const settle = (): void => {
    count.sent += socket.bytesWritten;
    count.received += socket.bytesRead;
  };
  socket.once("close", settle);
  outgoing.once("response", (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, withoutHopByHop(answer.headers));
    answer.on("error", () => response.destroy());
    answer.pipe(response);
  });
  outgoing.on("error", () => response.destroy());
  response.once("close", () => outgoing.destroy());
  incoming.pipe(outgoing);
}

/** @throws OutgoingRefusedError when the text alone says that it leads to this machine or a private network. */
function toTarget(text: string, { guard }: ProxiedStep): URL {
  return guard.assertPublicUrl(text);
}

/** Connects to an address that was judged, one after the other. */
async function open(hostname: string, port: number, guard: OutgoingGuard): Promise<Socket> {
  const addresses = await guard.resolve(hostname, port);
  let fault: unknown;
  for (const { address } of addresses) {
    try {
      return await connectTo(address, port);
    } catch (error) {
      fault = error;
    }
  }
  throw fault;
}

function connectTo(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, autoSelectFamily: false });
    const timer = setTimeout(() => socket.destroy(new Error("it did not answer in time")), CONNECT_LIMIT_MS);
    const fail = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
    };
    socket.once("error", fail);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.off("error", fail);
      resolve(socket);
    });
  });
}

function join(client: Duplex, upstream: Socket, count: EgressCount): void {
  upstream.on("error", () => client.destroy());
  client.once("close", () => upstream.destroy());
  upstream.once("close", () => client.destroy());
  client.on("data", (chunk: Buffer) => (count.sent += chunk.length));
  upstream.on("data", (chunk: Buffer) => (count.received += chunk.length));
  client.pipe(upstream).pipe(client);
}

function explain(error: unknown): { status: string; why: string } {
  if (error instanceof OutgoingRefusedError) return { status: "403 Forbidden", why: error.message };
  const code = (error as NodeJS.ErrnoException).code;
  return { status: "502 Bad Gateway", why: `it could not be reached (${code ?? String(error)})` };
}
