import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { Keys } from "../../config/load-keys.js";
import type { AccessClaims } from "../auth/access-tokens.js";

/** A working day: whoever goes on longer opens the app anew. */
const LINK_SECONDS = 12 * 3600;

/**
 * Links that open one app for one sign-in. A page without an origin sends no cookie, and on the apps' own origin there
 * is none: so what stands for the person is part of the path. It ends with the sign-in, at the latest after 12 hours.
 */
export function createAppLinks(keys: Pick<Keys, "jwtSecret">) {
  const key = Buffer.from(hkdfSync("sha256", keys.jwtSecret, "headrace", "app-links", 32));
  const sign = (appId: string, text: string): string =>
    createHmac("sha256", key).update(`${appId}.${text}`).digest("base64url");
  return {
    /** One segment of a path. */
    make(appId: string, { sessionId, userId }: AccessClaims): string {
      const until = Math.floor(Date.now() / 1000) + LINK_SECONDS;
      const text = [until.toString(36), sessionId, userId].join(".");
      return `${text}.${sign(appId, text)}`;
    },
    /** Who it was made for; undefined when it is over, of another app, or not ours. */
    read(appId: string, segment: string): AccessClaims | undefined {
      const match = /^([0-9a-z]{1,9})\.([0-9a-f-]{36})\.([0-9a-f-]{36})\.([\w-]{43})$/.exec(segment);
      const [, until = "", sessionId = "", userId = "", given = ""] = match ?? [];
      if (!match || Number.parseInt(until, 36) < Date.now() / 1000) return undefined;
      const own = sign(appId, [until, sessionId, userId].join("."));
      if (!timingSafeEqual(Buffer.from(given), Buffer.from(own))) return undefined;
      return { sessionId, userId };
    },
  };
}

/** See {@link createAppLinks}. */
export type AppLinks = ReturnType<typeof createAppLinks>;
