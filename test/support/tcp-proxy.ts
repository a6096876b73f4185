import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A proxy in front of a server, for faults of the network. */
export interface TcpProxy {
  readonly port: number;
  /** The same URL as the server's, through the proxy. */
  through(url: string): string;
  /** Connections that are open go silent: nothing is forwarded and nobody is told. New ones work. */
  freeze(): void;
  /** All connections are reset and new ones refused, until {@link TcpProxy.mend}. */
  cut(): void;
  mend(): void;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/** Starts a proxy to the server that a URL names. */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port: targetPort } = new URL(target);
  const pairs = new Set<Pair>();
  let isCut = false;
  const proxy = createServer((client) => {
    if (isCut) return void client.resetAndDestroy();
    const server = connect(Number(targetPort), hostname);
    const pair = { client, server };
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on("error", end);
      from.on("close", end);
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const { port } = proxy.address() as AddressInfo;
  return {
    port,
    through(url) {
      const changed = new URL(url);
      changed.hostname = "127.0.0.1";
      changed.port = String(port);
      return changed.href;
    },
    freeze() {
      for (const { client, server } of pairs) {
        client.unpipe().pause();
        server.unpipe().pause();
      }
    },
    cut() {
      isCut = true;
      for (const { client, server } of pairs) {
        client.resetAndDestroy();
        server.destroy();
      }
      pairs.clear();
    },
    mend() {
      isCut = false;
    },
    async close() {
      for (const { client, server } of pairs) {
        client.destroy();
        server.destroy();
      }
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}
