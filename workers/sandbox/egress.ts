import type { Server, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { OutgoingGuard } from "../../src/outgoing/outgoing-guard.js";
import { createEgressProxy } from "./egress-proxy.js";
import { createEgressLog } from "./egress-log.js";

/** Where a step finds its proxy. */
export const EGRESS_PORT = 3_128;
const EGRESS_URL = `http://127.0.0.1:${EGRESS_PORT}`;

/** Variables by which programs find the proxy: Python's, curl's, git's, npm's, and Node's own from version 22 on. */
export function listEgressEnv(url: string = EGRESS_URL): Record<string, string> {
  const own = "localhost,127.0.0.1,::1";
  return {
    ...{ HTTP_PROXY: url, HTTPS_PROXY: url, http_proxy: url, https_proxy: url },
    ...{ NO_PROXY: own, no_proxy: own, NODE_USE_ENV_PROXY: "1" },
  };
}

/** The ways out of a step's network, each of which ends here, in the worker. */
export interface Egress {
  /**
   * Serves a step's connections to its proxy: HTTP, and anything through CONNECT, to where the guard allows.
   * @returns what ends all of them, and says in the step's log where they went.
   */
  serveProxy(server: Server, step: EgressStep): () => void;
  /** Joins each of a step's connections to what `connect` opens. */
  serveForward(server: Server, connect: () => Promise<Duplex>): () => void;
}

/** One step as the proxy sees it. */
export interface EgressStep {
  readonly notify: (line: string) => void;
  /** By default what keeps to the public internet and the operator's exceptions. */
  readonly guard?: OutgoingGuard;
}

const MOST_CONNECTIONS = 256;

/** Opens the ways out. */
export function createEgress({ guard }: { readonly guard: OutgoingGuard }): Egress {
  const proxy = createEgressProxy();
  return {
    serveProxy(server, step) {
      const log = createEgressLog(step.notify);
      const stop = accept(server, (socket) => proxy.take(socket, { guard: step.guard ?? guard, log }));
      return () => {
        stop();
        log.finish();
      };
    },
    serveForward: (server, connect) => accept(server, (socket) => void join(socket, connect)),
  };
}

/** Takes connections, not too many at once. @returns what ends the server and them. */
function accept(server: Server, take: (socket: Socket) => void): () => void {
  const sockets = new Set<Socket>();
  server.maxConnections = MOST_CONNECTIONS;
  server.on("error", () => undefined); // the step's network is gone
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
    take(socket);
  });
  return () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
}

async function join(socket: Socket, connect: () => Promise<Duplex>): Promise<void> {
  try {
    const other = await connect();
    if (socket.destroyed) return void other.destroy();
    other.on("error", () => socket.destroy());
    other.once("close", () => socket.destroy());
    socket.once("close", () => other.destroy());
    socket.pipe(other).pipe(socket);
  } catch {
    socket.destroy();
  }
}
