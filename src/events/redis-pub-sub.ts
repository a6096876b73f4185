import { once } from "node:events";
import { Redis, type RedisOptions } from "ioredis";
import { AppError } from "../errors/app-error.js";
import type { Logger } from "../observability/logger.js";
import { createChannelListeners } from "./channel-listeners.js";
import type { PubSub, PubSubChannels, Unsubscribe } from "./pub-sub.js";

const OPEN_LIMIT_MS = 10_000;
/** A subscriber sends nothing by itself, so that a dead connection would go unnoticed: it pings. */
const PING_MS = 5000;

const common: RedisOptions = {
  socketTimeout: 10_000,
  keepAlive: 10_000,
  connectTimeout: 5000,
  retryStrategy: (times) => Math.min(times * 200, 2000),
};

/** PubSub on Redis: one connection publishes, one subscribes. @throws AppError NOT_READY when Redis does not answer within 10 s. */
export async function createRedisPubSub(options: {
  redisUrl: string;
  prefix: string;
  logger?: Logger | undefined;
}): Promise<PubSub> {
  const { redisUrl, prefix, logger } = options;
  const publisher = new Redis(redisUrl, {
    ...common,
    connectionName: `${prefix}-publisher`,
    // while Redis is away a publish fails at once: messages are hints, and late ones are worth nothing
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: 5000,
  });
  const subscriber = new Redis(redisUrl, {
    ...common,
    connectionName: `${prefix}-subscriber`,
    // done below, so that reconnecting is announced only when messages arrive again
    autoResubscribe: false,
    maxRetriesPerRequest: null,
    commandTimeout: OPEN_LIMIT_MS,
  });
  for (const client of [publisher, subscriber])
    client.on("error", (error) => logger?.debug({ err: error }, "live events"));
  try {
    await Promise.all([whenReady(publisher), whenReady(subscriber)]);
  } catch (error) {
    publisher.disconnect();
    subscriber.disconnect();
    throw new AppError("NOT_READY", "Redis does not answer", { cause: error });
  }
  return createPubSub({ publisher, subscriber, prefix, logger });
}

function createPubSub(deps: {
  publisher: Redis;
  subscriber: Redis;
  prefix: string;
  logger: Logger | undefined;
}): PubSub {
  const { publisher, subscriber, logger } = deps;
  const listeners = createChannelListeners({ logger });
  const nameOf = (channel: keyof PubSubChannels): string => `${deps.prefix}:${channel}`;
  const warn = (error: unknown): void => logger?.warn({ err: error }, "live events");

  subscriber.on("message", (name: string, payload: string) => {
    const channel = listeners.channels().find((known) => nameOf(known) === name);
    if (channel) listeners.deliver(channel, payload);
  });
  subscriber.on("ready", () => {
    const names = listeners.channels().map(nameOf);
    const subscribed = names.length > 0 ? subscriber.subscribe(...names) : Promise.resolve();
    subscribed.then(() => listeners.announceReconnect()).catch(warn);
  });
  // a dead socket shows by the ping's silence; an error here is that of the lost connection, logged there
  const pinging = setInterval(() => {
    if (subscriber.status === "ready") subscriber.ping().catch(warn);
  }, PING_MS);

  return {
    async publish(channel, message) {
      await publisher.publish(nameOf(channel), JSON.stringify(message));
    },
    async subscribe(channel, listener): Promise<Unsubscribe> {
      const remove = listeners.add(channel, listener);
      try {
        await subscriber.subscribe(nameOf(channel));
      } catch (error) {
        remove();
        throw error;
      }
      return async () => {
        if (remove() && subscriber.status === "ready") await subscriber.unsubscribe(nameOf(channel));
      };
    },
    onReconnect: listeners.onReconnect,
    async close() {
      clearInterval(pinging);
      await Promise.all([disconnect(publisher), disconnect(subscriber)]);
    },
  };
}

async function whenReady(client: Redis): Promise<void> {
  if (client.status === "ready") return;
  const signal = AbortSignal.timeout(OPEN_LIMIT_MS);
  await new Promise<void>((resolve, reject) => {
    client.once("ready", resolve);
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}

/** A client without a socket (it waits to reconnect) never says that it has ended. */
async function disconnect(client: Redis): Promise<void> {
  const hasSocket = client.status === "ready" || client.status === "connect";
  const ended = hasSocket ? once(client, "end") : Promise.resolve();
  client.disconnect();
  await ended;
}
