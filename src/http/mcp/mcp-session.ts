import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from "node:crypto";
import type { Keys } from "../../config/load-keys.js";
import type { Actor } from "../../core/actor.js";

/**
 * What a client said when it initialised. The session's id is this, signed: any process behind a load balancer knows
 * it without having met the client before, and none keeps it.
 */
export interface McpSession {
  /** Tells two sessions of one person apart. */
  readonly nonce: string;
  readonly canElicit: boolean;
}

/** Clients that come later get 404 and initialise anew. */
const LIFETIME_SECONDS = 7 * 24 * 3600;
const LONGEST = 1024;

/** Makes and reads session ids. */
export function createMcpSessions(keys: Pick<Keys, "jwtSecret">) {
  const key = Buffer.from(hkdfSync("sha256", keys.jwtSecret, "headrace", "mcp-session", 32));
  const sign = (payload: string, owner: string): string =>
    createHmac("sha256", key).update(`${payload}\n${owner}`).digest("base64url");
  return {
    /** A session that only its owner can go on with. */
    make(actor: Actor, canElicit: boolean): string {
      const until = Math.floor(Date.now() / 1000) + LIFETIME_SECONDS;
      const nonce = randomBytes(12).toString("base64url");
      const payload = Buffer.from(JSON.stringify({ n: nonce, e: canElicit, u: until })).toString("base64url");
      return `${payload}.${sign(payload, ownerOf(actor))}`;
    },
    /** Undefined: not one of ours, somebody else's, or over. */
    read(id: string, actor: Actor): McpSession | undefined {
      const [, payload = "", given = ""] = /^([\w-]{1,900})\.([\w-]{43})$/.exec(id.slice(0, LONGEST)) ?? [];
      const expected = sign(payload, ownerOf(actor));
      if (given === "" || !timingSafeEqual(Buffer.from(given), Buffer.from(expected))) return undefined;
      const { n, e, u } = JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as {
        n: string;
        e: boolean;
        u: number;
      };
      return u * 1000 > Date.now() ? { nonce: n, canElicit: e } : undefined;
    },
  };
}

/** See {@link createMcpSessions}. */
export type McpSessions = ReturnType<typeof createMcpSessions>;

/** The credential's owner: a key and the person it belongs to are two. */
export function ownerOf(actor: Actor): string {
  return `${actor.type}:${actor.apiKeyId ?? actor.userId ?? ""}`;
}
