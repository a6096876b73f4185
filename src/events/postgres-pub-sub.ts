import { AppError } from "../errors/app-error.js";
import type { Logger } from "../observability/logger.js";
import { createChannelListeners } from "./channel-listeners.js";
import { splitPayloads } from "./notify-payloads.js";
import { openPostgresLine } from "./postgres-line.js";
import type { PubSub, Unsubscribe } from "./pub-sub.js";

const SUBSCRIBE_LIMIT_MS = 10_000;

/**
 * PubSub by LISTEN and NOTIFY, on one dedicated connection that comes back by itself.
 * @throws Error when the server does not answer within 10 s.
 */
export async function createPostgresPubSub(options: {
  databaseUrl: string;
  prefix: string;
  logger?: Logger | undefined;
}): Promise<PubSub> {
  const { databaseUrl, prefix, logger } = options;
  const listeners = createChannelListeners({ logger });
  const nameOf = (channel: string): string => `${prefix}:${channel}`;

  const line = await openPostgresLine({
    databaseUrl,
    applicationName: `${prefix}-events`,
    logger,
    async prepare(query) {
      for (const channel of listeners.channels()) await query(`LISTEN ${quote(nameOf(channel))}`);
    },
    onReopened: listeners.announceReconnect,
    onNotification(name, payload) {
      const channel = listeners.channels().find((known) => nameOf(known) === name);
      if (channel) listeners.deliver(channel, payload);
    },
  });

  return {
    async publish(channel, message) {
      // one statement, one transaction: all parts arrive, in order
      await line.query(
        "SELECT pg_notify($1, part) FROM unnest($2::text[]) WITH ORDINALITY AS u (part, i) ORDER BY i",
        [nameOf(channel), splitPayloads(channel, message)],
      );
    },
    async subscribe(channel, listener): Promise<Unsubscribe> {
      const remove = listeners.add(channel, listener);
      try {
        await line.whenOpen(SUBSCRIBE_LIMIT_MS);
        await line.query(`LISTEN ${quote(nameOf(channel))}`);
      } catch (error) {
        remove();
        throw new AppError("NOT_READY", "Live events are out of reach", { cause: error });
      }
      return async () => {
        if (remove() && line.isOpen()) await line.query(`UNLISTEN ${quote(nameOf(channel))}`);
      };
    },
    onReconnect: listeners.onReconnect,
    close: () => line.close(),
  };
}

/** A channel's name is an identifier in LISTEN. */
function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
