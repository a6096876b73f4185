import type { Redis } from "ioredis";
import { AppError } from "../errors/app-error.js";

/**
 * Whether a Redis connection is up, for producers that must not pile up work while it is not: a caller waits
 * for the rest of its limit since the connection was lost, and one that comes later than that fails at once.
 */
export function watchReachability(client: Redis) {
  let lostAt: number | undefined = client.status === "ready" ? undefined : Date.now();
  const waiters = new Set<() => void>();
  client.on("close", () => {
    lostAt ??= Date.now();
  });
  client.on("ready", () => {
    lostAt = undefined;
    for (const wake of waiters) wake();
    waiters.clear();
  });

  /** @throws AppError NOT_READY when the connection is not up within `limitMs` of its loss. */
  return async function whenReachable(limitMs: number): Promise<void> {
    if (client.status === "ready") return;
    const leftMs = limitMs - (Date.now() - (lostAt ?? Date.now()));
    const isUp = leftMs > 0 && (await waitFor(waiters, leftMs));
    if (!isUp) throw new AppError("NOT_READY", "Redis is out of reach");
  };
}

async function waitFor(waiters: Set<() => void>, limitMs: number): Promise<boolean> {
  return await new Promise<boolean>((resolve) => {
    const wake = (): void => {
      clearTimeout(timer);
      resolve(true);
    };
    const timer = setTimeout(() => {
      waiters.delete(wake);
      resolve(false);
    }, limitMs);
    waiters.add(wake);
  });
}
