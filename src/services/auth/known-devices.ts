import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import type { Keys } from "../../config/load-keys.js";

/** How long a browser is known after a sign-in. */
export const DEVICE_LIFETIME_SECONDS = 180 * 24 * 3600;

/**
 * Marks of browsers from which a person has signed in before. A mark opens nothing: it only makes wrong passwords
 * that come with it count by themselves, so that nobody else can use up this person's attempts.
 */
export interface KnownDevices {
  /** A mark for an account. */
  make(email: string): string;
  /** The device that a mark stands for; undefined when it is over, of another account, or not ours. */
  read(email: string, mark: string | undefined): string | undefined;
}

/** Makes and reads them with a key of the installation. */
export function createKnownDevices(keys: Pick<Keys, "jwtSecret">): KnownDevices {
  const key = Buffer.from(hkdfSync("sha256", keys.jwtSecret, "headrace", "known-devices", 32));
  const sign = (email: string, text: string): string =>
    createHmac("sha256", key).update(`${email.toLowerCase()}\n${text}`).digest("base64url");
  return {
    make(email) {
      const until = Math.floor(Date.now() / 1000) + DEVICE_LIFETIME_SECONDS;
      const text = `${until.toString(36)}.${randomBytes(12).toString("base64url")}`;
      return `${text}.${sign(email, text)}`;
    },
    read(email, mark) {
      const match = /^(([0-9a-z]{1,9})\.([\w-]{16}))\.([\w-]{43})$/.exec(mark ?? "");
      const [, text = "", until = "", device = "", given = ""] = match ?? [];
      if (!match || Number.parseInt(until, 36) * 1000 < Date.now()) return undefined;
      return timingSafeEqual(Buffer.from(given), Buffer.from(sign(email, text))) ? device : undefined;
    },
  };
}
