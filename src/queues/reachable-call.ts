import { AppError } from "../errors/app-error.js";
import type { QueueBackend } from "./queue-connections.js";
import { withTimeLimit } from "./time-limit.js";

/**
 * Does something with the queue's server, within a limit. Sends nothing to a server that is away: it would pile up
 * in memory.
 * @throws AppError NOT_READY when the server is out of reach, too slow, or refuses.
 */
export async function callServer<T>(
  backend: QueueBackend,
  limitMs: number,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = Date.now();
  await backend.whenReachable(limitMs);
  try {
    return await withTimeLimit(work(), Math.max(1, limitMs - (Date.now() - startedAt)), what);
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError("NOT_READY", `${what} failed: the queue's server did not do it`, { cause: error });
  }
}
