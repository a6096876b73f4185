import type { Logger } from "../observability/logger.js";

const REPEAT_AFTER_MS = 30_000;

/**
 * A listener for the `error` events of queue connections, which repeat with every attempt to reconnect:
 * the same message is logged again only after 30 s. BullMQ prints to the console what nobody listens to.
 */
export function createErrorListener(logger: Logger, fields: Readonly<Record<string, string>> = {}) {
  const loggedAt = new Map<string, number>();
  return (error: Error): void => {
    const now = Date.now();
    const last = loggedAt.get(error.message);
    if (last !== undefined && now - last < REPEAT_AFTER_MS) return;
    if (loggedAt.size > 100) loggedAt.clear();
    loggedAt.set(error.message, now);
    logger.warn({ ...fields, err: error }, "queue connection reports an error");
  };
}
