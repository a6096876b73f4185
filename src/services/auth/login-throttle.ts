import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { toAddressKey } from "../limits/address-key.js";
import { countOrRefuse } from "../limits/count-or-refuse.js";
import type { SharedLimiter, SharedLimits } from "../limits/shared-limits.js";

/** How many wrong attempts are borne. */
export interface LoginLimits {
  /** For one account from one address, or from one known device, a minute. */
  readonly perAccount: number;
  /** From one address whatever the account, in ten minutes. */
  readonly perAddress: number;
  /** For one account from everywhere but known devices, in ten minutes: beyond it, each attempt is slowed. */
  readonly perAccountEverywhere: number;
  /** The longest that an attempt is slowed by. */
  readonly slowestMs: number;
}

/** Who tries to sign in, from where. */
export interface LoginAttempt {
  readonly email: string;
  readonly address: string | null;
  /** A browser from which this person has signed in before. */
  readonly device?: string | undefined;
}

/**
 * Slows down guessing, over all processes together. Nobody can lock a person out: what is refused is one address, or
 * one address's attempts at an account. An account that is tried from many addresses answers more slowly to devices
 * that it does not know, and as ever to those that it knows.
 */
export interface LoginThrottle {
  /**
   * Counts an attempt before its password is looked at, so that parallel guesses are counted too.
   * @throws AppError TOO_MANY_REQUESTS with Retry-After.
   */
  assertMayTry(attempt: LoginAttempt): Promise<void>;
  /** Takes the attempt back: it was right. */
  forgive(attempt: LoginAttempt): Promise<void>;
}

/** What is borne unless a test says otherwise. */
export const LOGIN_LIMITS: LoginLimits = {
  perAccount: 10,
  perAddress: 100,
  perAccountEverywhere: 50,
  slowestMs: 4000,
};

/** Makes the throttle. */
export function createLoginThrottle(deps: {
  readonly limits: SharedLimits;
  readonly bounds?: Partial<LoginLimits> | undefined;
}): LoginThrottle {
  const bounds = { ...LOGIN_LIMITS, ...deps.bounds };
  const limiter = (name: string, points: number, seconds: number) =>
    deps.limits.limiter({ name, points, seconds });
  const pairs = limiter("login-pair", bounds.perAccount, 60);
  const devices = limiter("login-device", bounds.perAccount, 60);
  const addresses = limiter("login-address", bounds.perAddress, 600);
  const accounts = limiter("login-account", bounds.perAccountEverywhere, 600);

  async function slowDown(account: string): Promise<void> {
    const { taken } = await accounts.take(account, 1);
    const beyond = taken - bounds.perAccountEverywhere;
    // doubles with every tenth of the limit
    if (beyond > 0)
      await sleep(Math.min(bounds.slowestMs, 125 * 2 ** (beyond / (bounds.perAccountEverywhere / 10))));
  }

  return {
    async assertMayTry({ email, address, device }) {
      const account = digest(email.toLowerCase());
      if (device !== undefined) return await consume(devices, `${account}.${device}`);
      const place = toAddressKey(address);
      await consume(addresses, place);
      await consume(pairs, digest(`${account} ${place}`));
      await slowDown(account);
    },
    async forgive({ email, address, device }) {
      const account = digest(email.toLowerCase());
      if (device !== undefined) return await devices.forget(`${account}.${device}`);
      const place = toAddressKey(address);
      await addresses.take(place, -1);
      await accounts.take(account, -1);
      await pairs.forget(digest(`${account} ${place}`));
    },
  };
}

async function consume(limiter: SharedLimiter, key: string): Promise<void> {
  await countOrRefuse(limiter, key, "Too many attempts to sign in");
}

/** Addresses of people are kept out of the counters' server. */
function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
