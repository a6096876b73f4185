import type { RetryPolicy } from "./plan.js";

/** Doublings past which the delay is at its cap anyway; keeps the arithmetic finite. */
const MAX_DOUBLINGS = 40;

/**
 * Milliseconds to wait before the next try.
 * @param failures how many tries have failed so far, 1 or more; lost workers do not count.
 * @param random a number in [0, 1): with `jitter` the delay lies between half and all of the backoff.
 */
export function retryDelayMs(policy: RetryPolicy, failures: number, random: number): number {
  const doublings = policy.backoff === "exponential" ? Math.min(failures - 1, MAX_DOUBLINGS) : 0;
  const capped = Math.min(policy.delaySeconds * 2 ** doublings, policy.maxDelaySeconds);
  const share = policy.jitter ? 0.5 + random / 2 : 1;
  return Math.round(capped * 1000 * share);
}
