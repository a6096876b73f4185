import type { SharedLimiter } from "./shared-limits.js";

/** What a limit says to one request. */
export interface LimitVerdict {
  readonly isAllowed: boolean;
  /** Requests in a window. */
  readonly limit: number;
  /** Requests that are left in this window, as far as this process knows. */
  readonly remaining: number;
  /** Seconds until the window ends, at least 1. */
  readonly resetSeconds: number;
}

/** Counts requests by key, over all processes. */
export interface RequestLimiter {
  /** Counts one request. Answers at once while this process has some in reserve. */
  take(key: string): LimitVerdict | Promise<LimitVerdict>;
}

/** The share of a limit that a process takes into reserve at a time; what it does not use is lost to the others. */
const RESERVED_SHARE = 1 / 50;
const MOST_RESERVED = 500;
const MOST_KEYS = 50_000;

interface Reserve {
  /** Requests that this process may let pass without asking. */
  left: number;
  /** What was left for all when this process last asked. */
  remaining: number;
  endsAtMs: number;
  /** A question under way. */
  asking: Promise<void> | undefined;
}

/**
 * Takes requests from a shared count in small batches, so that a busy caller costs one question for each batch, and
 * the next batch is fetched before the last one is used up. The limit is never exceeded over all processes; with n
 * of them, n reserves may stay unused in a window, a fiftieth of the limit each.
 */
export function createRequestLimiter(options: {
  readonly shared: SharedLimiter;
  readonly limit: number;
}): RequestLimiter {
  const { shared, limit } = options;
  const batch = Math.min(MOST_RESERVED, Math.max(1, Math.floor(limit * RESERVED_SHARE)));
  const reserves = new Map<string, Reserve>();

  function open(key: string): Reserve {
    const known = reserves.get(key);
    if (known && (known.asking || known.endsAtMs > performance.now())) return known;
    if (!known && reserves.size >= MOST_KEYS) forgetSome(reserves);
    const made: Reserve = { left: 0, remaining: limit, endsAtMs: Infinity, asking: undefined };
    reserves.set(key, made);
    return made;
  }

  async function ask(key: string, reserve: Reserve): Promise<void> {
    const { taken, resetMs } = await shared.take(key, batch);
    // what was left of a window that has ended meanwhile is gone
    if (performance.now() >= reserve.endsAtMs) reserve.left = 0;
    const over = Math.max(0, taken - limit);
    // of a batch that crosses the limit, the part below it counts
    reserve.left += Math.max(0, batch - over);
    reserve.remaining = Math.max(0, limit - taken);
    reserve.endsAtMs = performance.now() + resetMs;
    reserve.asking = undefined;
  }

  function judge(reserve: Reserve): LimitVerdict {
    const isAllowed = reserve.left > 0;
    if (isAllowed) reserve.left -= 1;
    const resetSeconds = Math.max(1, Math.ceil((reserve.endsAtMs - performance.now()) / 1000));
    return { isAllowed, limit, remaining: reserve.left + reserve.remaining, resetSeconds };
  }

  async function wait(key: string): Promise<LimitVerdict> {
    let reserve = open(key);
    // several requests may wait for one batch that is too small for all of them
    while (reserve.left === 0 && (reserve.remaining > 0 || reserve.asking)) {
      reserve.asking ??= ask(key, reserve);
      await reserve.asking;
      reserve = open(key);
    }
    return judge(reserve);
  }

  return {
    take(key) {
      const reserve = open(key);
      if (reserve.left === 0) return reserve.remaining > 0 || reserve.asking ? wait(key) : judge(reserve);
      const verdict = judge(reserve);
      const isLow = batch > 1 && reserve.left < batch / 2 && reserve.remaining > 0;
      if (isLow) reserve.asking ??= ask(key, reserve);
      return verdict;
    },
  };
}

/** Those that came first go first; a caller that is still there asks once more. */
function forgetSome(reserves: Map<string, Reserve>): void {
  for (const key of reserves.keys()) {
    reserves.delete(key);
    if (reserves.size < MOST_KEYS / 2) return;
  }
}
