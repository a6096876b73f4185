import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A relay in front of a server on loopback, whose connections can fall silent as those of a broken network do. */
export interface TcpProxy {
  readonly port: number;
  /** Connections that are open now fall silent for good, without an end; new ones work. */
  freezeOpen(): void;
  /** From now on nothing that the server says on connections that are open now arrives; what it is told does. */
  muteServer(): void;
  /** Ends the connections that are open now, on both sides. */
  breakOpen(): void;
  /** Everything falls silent, new connections too. */
  cut(): void;
  /** What was cut goes on where it stopped. */
  heal(): void;
  close(): Promise<void>;
}

/** Starts it on a free port. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const frozen = new Set<readonly [Socket, Socket]>();
  const held = new Set<Socket>();
  let isCut = false;

  function join(near: Socket): void {
    const far = connect(targetPort, "127.0.0.1");
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const [one, other] of [pair, [far, near] as const]) {
      one.on("data", (chunk) => void other.write(chunk));
      one.on("error", () => undefined);
      one.on("close", () => {
        // a peer that is out of reach does not learn of it
        if (frozen.has(pair)) return;
        pairs.delete(pair);
        other.destroy();
      });
    }
  }

  const server = createServer((near) => {
    near.on("error", () => undefined);
    if (!isCut) return join(near);
    near.pause();
    held.add(near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  function silence(): void {
    for (const pair of pairs) {
      frozen.add(pair);
      for (const socket of pair) socket.pause();
    }
  }

  return {
    port: (server.address() as AddressInfo).port,
    freezeOpen: silence,
    muteServer() {
      for (const [, far] of pairs) far.removeAllListeners("data").resume();
    },
    breakOpen() {
      for (const [near] of pairs) near.destroy();
    },
    cut() {
      isCut = true;
      silence();
    },
    heal() {
      isCut = false;
      for (const pair of frozen) {
        frozen.delete(pair);
        for (const [one, other] of [pair, [pair[1], pair[0]] as const]) {
          if (one.destroyed) other.destroy();
          else one.resume();
        }
      }
      for (const near of held) if (!near.destroyed) join(near.resume());
      held.clear();
    },
    async close() {
      for (const socket of [...[...pairs, ...frozen].flat(), ...held]) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
