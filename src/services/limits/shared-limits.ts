import { Redis } from "ioredis";
import type { Knex } from "knex";
import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterRedis,
  RateLimiterRes,
} from "rate-limiter-flexible";
import type { Logger } from "../../observability/logger.js";
import { withTimeLimit } from "../../queues/time-limit.js";

/** How much of a limit is used, by all processes together. */
export interface LimitCount {
  /** Points that have been taken since the window began, those that were refused included. */
  readonly taken: number;
  /** Milliseconds until the window ends and the count begins anew. */
  readonly resetMs: number;
}

/** Counts points by key, in windows that begin with a key's first point. */
export interface SharedLimiter {
  /** What is borne in a window. */
  readonly points: number;
  /** Takes points (or gives them back, below zero) and tells the count. Never throws. */
  take(key: string, points: number): Promise<LimitCount>;
  /** Forgets a key's count. Never throws. */
  forget(key: string): Promise<void>;
}

/** What a limiter counts. */
export interface LimiterOptions {
  /** Part of every key: at most 40 characters. */
  readonly name: string;
  readonly points: number;
  readonly seconds: number;
}

/**
 * Counters that all processes of an installation share: on Redis when there is one, else on PostgreSQL. While that
 * server does not answer within 250 ms, each process counts by itself (ADR 15), and looks again after five seconds.
 */
export interface SharedLimits {
  limiter(options: LimiterOptions): SharedLimiter;
  /** Closes what was opened for it. */
  close(): void;
}

const STORE_LIMIT_MS = 250;
const LOOK_AGAIN_MS = 5000;
const TABLE = "rate_limits";

/** Opens them. Redis is not waited for: until it answers, each process counts by itself. */
export function openSharedLimits(deps: {
  readonly knex: Knex;
  readonly redisUrl?: string | undefined;
  readonly prefix?: string;
  readonly logger?: Logger;
  /** Milliseconds that the server has to answer in; default 250. */
  readonly storeLimitMs?: number;
}): SharedLimits {
  const { knex, redisUrl, prefix = "headrace", logger, storeLimitMs = STORE_LIMIT_MS } = deps;
  const redis = redisUrl === undefined ? undefined : openRedis(redisUrl, prefix, logger);
  const limiters = new Map<string, SharedLimiter>();
  let awayUntilMs = 0;
  const guard: StoreGuard = {
    limitMs: storeLimitMs,
    isAway: () => performance.now() < awayUntilMs,
    note(error) {
      awayUntilMs = performance.now() + LOOK_AGAIN_MS;
      logger?.warn({ err: error }, "rate limits are counted in this process alone for now");
    },
  };
  return {
    limiter(options) {
      const known = limiters.get(options.name);
      if (known) return known;
      const store = redis
        ? new RateLimiterRedis({ ...toLibraryOptions(options, `${prefix}:limit:`), storeClient: redis })
        : new RateLimiterPostgres({
            ...toLibraryOptions(options, ""),
            storeClient: knex,
            storeType: "knex",
            tableName: TABLE,
            tableCreated: true,
            // one of them tidies up for all
            clearExpiredByTimeout: limiters.size === 0,
          });
      const made = createLimiter(store, new RateLimiterMemory(toLibraryOptions(options, "")), guard);
      limiters.set(options.name, made);
      return made;
    },
    close: () => redis?.disconnect(),
  };
}

interface StoreGuard {
  readonly limitMs: number;
  isAway(): boolean;
  note(error: unknown): void;
}

function toLibraryOptions({ name, points, seconds }: LimiterOptions, prefix: string) {
  return { keyPrefix: prefix + name, points, duration: seconds };
}

function openRedis(url: string, prefix: string, logger: Logger | undefined): Redis {
  const redis = new Redis(url, {
    connectionName: `${prefix}-limits`,
    socketTimeout: 10_000,
    keepAlive: 10_000,
    connectTimeout: 5000,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    retryStrategy: (times) => Math.min(times * 200, 2000),
  });
  redis.on("error", (error) => logger?.debug({ err: error }, "rate limits"));
  return redis;
}

function createLimiter(
  store: RateLimiterAbstract,
  own: RateLimiterAbstract,
  guard: StoreGuard,
): SharedLimiter {
  async function takeFrom(limiter: RateLimiterAbstract, key: string, points: number): Promise<LimitCount> {
    try {
      return toCount(await (points < 0 ? limiter.reward(key, -points) : limiter.consume(key, points)));
    } catch (thrown) {
      if (thrown instanceof RateLimiterRes) return toCount(thrown);
      throw thrown;
    }
  }
  return {
    points: store.points,
    async take(key, points) {
      if (!guard.isAway()) {
        try {
          return await withTimeLimit(takeFrom(store, key, points), guard.limitMs, "Counting");
        } catch (error) {
          guard.note(error);
        }
      }
      return await takeFrom(own, key, points);
    },
    async forget(key) {
      await own.delete(key);
      if (guard.isAway()) return;
      await withTimeLimit(store.delete(key), guard.limitMs, "Forgetting").catch(guard.note);
    },
  };
}

function toCount({ consumedPoints, msBeforeNext }: RateLimiterRes): LimitCount {
  return { taken: consumedPoints, resetMs: Math.max(0, msBeforeNext) };
}
