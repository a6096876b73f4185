import type { Knex } from "knex";
import type { Actor } from "../../core/actor.js";
import { isUuid } from "../../core/ids.js";
import { type Permission, type Role, weakerRole } from "../../core/permissions.js";
import type { AccessClaims } from "./access-tokens.js";
import { hashRandomToken } from "./random-tokens.js";

/** Who a credential stands for, as the database says it now. */
export interface Principal {
  readonly actor: Actor;
  /** The sign-in; null for an API key. */
  readonly sessionId: string | null;
}

/** Looks credentials up. What it finds is kept for two seconds, so a revocation is felt within them. */
export interface Principals {
  /** Undefined when the session or its owner is gone, over, revoked or inactive. */
  findBySession(claims: AccessClaims): Promise<Principal | undefined>;
  /** Undefined for a key that is unknown, revoked or expired, or whose owner is gone or inactive. */
  findByApiKey(key: string): Promise<Principal | undefined>;
  /** Forgets what is kept, after a change in this process. */
  forget(): void;
}

const KEPT_MS = 2000;
const MOST_KEPT = 5000;

interface SessionRow {
  readonly userId: string;
  readonly email: string;
  readonly role: Role;
}

interface KeyRow extends SessionRow {
  readonly keyId: string;
  readonly keyName: string;
  readonly keyRole: Role;
  readonly scopes: Permission[] | null;
}

/** Makes the lookup over a database. */
export function createPrincipals(deps: { readonly knex: Knex }): Principals {
  const { knex } = deps;
  const kept = new Map<string, { principal: Principal; untilMs: number }>();

  async function remember(name: string, load: () => Promise<Principal | undefined>) {
    const known = kept.get(name);
    const nowMs = performance.now();
    if (known && known.untilMs > nowMs) return known.principal;
    kept.delete(name);
    const principal = await load();
    if (!principal) return undefined;
    if (kept.size >= MOST_KEPT) kept.clear();
    // counted from before the query: what it read may be as old as that
    kept.set(name, { principal, untilMs: nowMs + KEPT_MS });
    return principal;
  }

  return {
    async findBySession(claims) {
      if (!isUuid(claims.sessionId) || !isUuid(claims.userId)) return undefined;
      return await remember(`session ${claims.sessionId} ${claims.userId}`, () => loadSession(knex, claims));
    },
    async findByApiKey(key) {
      const hash = hashRandomToken(key);
      return await remember(`key ${hash.toString("base64")}`, () => loadApiKey(knex, hash));
    },
    forget: () => kept.clear(),
  };
}

async function loadSession(knex: Knex, claims: AccessClaims): Promise<Principal | undefined> {
  const { rows } = await knex.raw<{ rows: SessionRow[] }>(
    `SELECT users.id AS "userId", users.email, users.role
     FROM sessions JOIN users ON users.id = sessions.user_id
     WHERE sessions.id = ? AND users.id = ? AND sessions.revoked_at IS NULL AND sessions.expires_at > now()
       AND users.is_active`,
    [claims.sessionId, claims.userId],
  );
  const [row] = rows;
  if (!row) return undefined;
  const actor: Actor = { type: "user", userId: row.userId, name: row.email, role: row.role };
  return { actor, sessionId: claims.sessionId };
}

async function loadApiKey(knex: Knex, hash: Buffer): Promise<Principal | undefined> {
  const { rows } = await knex.raw<{ rows: KeyRow[] }>(
    `SELECT users.id AS "userId", users.email, users.role, keys.id AS "keyId", keys.name AS "keyName",
       keys.role AS "keyRole", keys.scopes
     FROM api_keys AS keys JOIN users ON users.id = keys.user_id
     WHERE keys.key_hash = ? AND keys.revoked_at IS NULL AND (keys.expires_at IS NULL OR keys.expires_at > now())
       AND users.is_active`,
    [hash],
  );
  const [row] = rows;
  if (!row) return undefined;
  // once a minute is fine enough for people, and spares a write per request
  await knex.raw(
    `UPDATE api_keys SET last_used_at = now()
     WHERE id = ? AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')`,
    [row.keyId],
  );
  return {
    actor: {
      type: "api_key",
      userId: row.userId,
      apiKeyId: row.keyId,
      name: `${row.email} (key ${row.keyName})`,
      role: weakerRole(row.keyRole, row.role),
      ...(row.scopes ? { scopes: row.scopes } : {}),
    },
    sessionId: null,
  };
}
