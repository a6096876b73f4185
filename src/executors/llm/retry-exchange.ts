import { setTimeout as sleep } from "node:timers/promises";
import { parseRetryAfterMs } from "../../outgoing/retry-after.js";
import { ExecutionError } from "../types.js";
import type { ExchangeError } from "./chat-client.js";

/** How often an exchange is tried in all, and how long is waited between tries. */
export interface RetryRules {
  readonly maxTries: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

/** Half a second at first, five tries in all. */
export const DEFAULT_RETRY_RULES: RetryRules = { maxTries: 5, firstDelayMs: 500, maxDelayMs: 20_000 };

/** What one try is told, and what is known when it fails. */
export interface RetryPlan {
  readonly rules: RetryRules;
  readonly signal: AbortSignal;
  /** Milliseconds until the step's time is over. */
  timeLeftMs(): number;
  toError(thrown: unknown): ExchangeError;
  /** The next try follows after a wait. */
  onRetry(error: ExchangeError, delayMs: number, tries: number): void;
  /** That was the last try. */
  toFault(error: ExchangeError, tries: number): Error;
}

/**
 * Tries again what may succeed the next time, after as long as the provider asks for (`Retry-After`), or else longer
 * and longer. Gives up at once when the step's time would be over by then.
 * @throws what `toFault` makes of the last error; the signal's reason when it is aborted.
 */
export async function retryExchange<Result>(
  plan: RetryPlan,
  exchange: () => Promise<Result>,
): Promise<Result> {
  const { rules, signal } = plan;
  for (let tries = 1; ; tries += 1) {
    signal.throwIfAborted();
    try {
      return await exchange();
    } catch (thrown) {
      signal.throwIfAborted();
      if (thrown instanceof ExecutionError) throw thrown;
      const error = plan.toError(thrown);
      const delayMs = parseRetryAfterMs(error.retryAfter) ?? delayBefore(tries, rules);
      if (!error.isTransient || tries >= rules.maxTries || delayMs >= plan.timeLeftMs()) {
        throw plan.toFault(error, tries);
      }
      plan.onRetry(error, delayMs, tries);
      await pause(delayMs, signal);
    }
  }
}

function delayBefore(tries: number, { firstDelayMs, maxDelayMs }: RetryRules): number {
  const longest = Math.min(maxDelayMs, firstDelayMs * 2 ** (tries - 1));
  return longest * (0.75 + Math.random() * 0.25);
}

async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(delayMs, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
