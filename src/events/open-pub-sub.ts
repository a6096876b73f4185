import type { Logger } from "../observability/logger.js";
import { createPostgresPubSub } from "./postgres-pub-sub.js";
import type { PubSub } from "./pub-sub.js";
import { createRedisPubSub } from "./redis-pub-sub.js";

/** How to reach the server that carries live events. */
export interface PubSubOptions {
  /** Redis or Valkey; unset: LISTEN and NOTIFY on `databaseUrl`. */
  readonly redisUrl?: string | undefined;
  readonly databaseUrl: string;
  /** Part of every channel's name, so that several installations can share a server. */
  readonly prefix: string;
  readonly logger?: Logger;
}

/** Opens the live events' bus. @throws Error when the server does not answer within 10 s. */
export async function openPubSub(options: PubSubOptions): Promise<PubSub> {
  const { redisUrl, databaseUrl, prefix, logger } = options;
  return redisUrl
    ? await createRedisPubSub({ redisUrl, prefix, logger })
    : await createPostgresPubSub({ databaseUrl, prefix, logger });
}
