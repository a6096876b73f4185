import { createHash } from "node:crypto";
import { RateLimiterMemory, RateLimiterRes } from "rate-limiter-flexible";
import { AppError } from "../../errors/app-error.js";

/** How many wrong attempts are borne. */
export interface LoginLimits {
  /** For one account from one address, a minute. */
  readonly perAccount: number;
  /** From one address whatever the account, in ten minutes. */
  readonly perAddress: number;
}

/** Slows down guessing. It counts in this process: n web processes bear n times as much. */
export interface LoginThrottle {
  /**
   * Counts an attempt before its password is looked at, so that parallel guesses are counted too.
   * @throws AppError TOO_MANY_REQUESTS with Retry-After.
   */
  assertMayTry(email: string, address: string | null): Promise<void>;
  /** Takes the attempt back: it was right. */
  forgive(email: string, address: string | null): Promise<void>;
}

/** Makes the throttle. */
export function createLoginThrottle(
  limits: LoginLimits = { perAccount: 10, perAddress: 100 },
): LoginThrottle {
  const accounts = new RateLimiterMemory({ keyPrefix: "account", points: limits.perAccount, duration: 60 });
  const addresses = new RateLimiterMemory({ keyPrefix: "address", points: limits.perAddress, duration: 600 });
  const accountKey = (email: string, address: string | null) =>
    createHash("sha256").update(`${email.toLowerCase()} ${address}`).digest("base64url");
  return {
    async assertMayTry(email, address) {
      await consume(addresses, address ?? "unknown");
      await consume(accounts, accountKey(email, address));
    },
    async forgive(email, address) {
      await addresses.reward(address ?? "unknown", 1);
      await accounts.delete(accountKey(email, address));
    },
  };
}

async function consume(limiter: RateLimiterMemory, key: string): Promise<void> {
  try {
    await limiter.consume(key);
  } catch (refused) {
    if (!(refused instanceof RateLimiterRes)) throw refused;
    const seconds = Math.max(1, Math.ceil(refused.msBeforeNext / 1000));
    throw new AppError("TOO_MANY_REQUESTS", `Too many attempts to sign in. Try again in ${seconds} s.`, {
      headers: { "Retry-After": String(seconds) },
      cause: refused,
    });
  }
}
