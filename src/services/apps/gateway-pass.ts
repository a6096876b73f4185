import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { Keys } from "../../config/load-keys.js";

/** The header by which an API proves itself to a worker's gateway. */
export const GATEWAY_HEADER = "x-headrace-gateway";

/** Long enough for clocks that differ by a little. */
const PASS_SECONDS = 60;

/** Makes and checks what lets a request pass a worker's gateway: it has been judged by an API of this installation. */
export function createGatewayPass(keys: Pick<Keys, "jwtSecret">) {
  const key = Buffer.from(hkdfSync("sha256", keys.jwtSecret, "headrace", "app-gateway", 32));
  const sign = (appId: string, untilSeconds: number): string =>
    createHmac("sha256", key).update(`${appId}.${untilSeconds}`).digest("base64url");
  return {
    /** A pass to one app, for a minute. */
    make(appId: string): string {
      const until = Math.floor(Date.now() / 1000) + PASS_SECONDS;
      return `${until}.${sign(appId, until)}`;
    },
    isValid(appId: string, pass: unknown): boolean {
      const [, until, given = ""] = /^(\d{1,12})\.([\w-]{43})$/.exec(String(pass)) ?? [];
      const left = Number(until) - Date.now() / 1000;
      if (!(left > 0 && left < 2 * PASS_SECONDS)) return false;
      return timingSafeEqual(Buffer.from(given), Buffer.from(sign(appId, Number(until))));
    },
  };
}

/** See {@link createGatewayPass}. */
export type GatewayPass = ReturnType<typeof createGatewayPass>;
