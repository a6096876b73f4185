import { createHash } from "node:crypto";
import { createServer, type Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A lock that one process of this machine holds. */
export interface EnvironmentLock {
  release(): void;
}

const POLL_MS = 200;

/**
 * Takes the lock of a name, or waits a moment and gives undefined: the holder may have made what is wanted, so the
 * caller looks again. The lock is an abstract socket, which the kernel frees when its holder dies; on systems
 * without them everybody gets the lock, and only work is done twice.
 */
export async function takeLock(name: string, signal: AbortSignal): Promise<EnvironmentLock | undefined> {
  if (process.platform !== "linux") return { release: () => undefined };
  const server = await listen(createHash("sha256").update(name).digest("hex").slice(0, 40));
  if (server) return { release: () => server.close() };
  // An abort ends the wait early; the caller judges it.
  await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  return undefined;
}

function listen(hash: string): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.unref();
    server.once("error", () => resolve(undefined));
    server.listen(`\0headrace-environment-${hash}`, () => resolve(server));
  });
}
