import { newId } from "../../core/ids.js";
import { RefreshTokenModel } from "../../models/refresh-token-model.js";
import type { Db } from "../../models/repository.js";
import { SessionModel } from "../../models/session-model.js";
import { hashRandomToken, makeRandomToken } from "./random-tokens.js";

/** A session lasts this long however often it is refreshed. */
export const SESSION_LIFETIME_SECONDS = 30 * 24 * 3600;

/** What became of a refresh token that somebody presented. */
export type Rotation =
  | {
      readonly outcome: "rotated";
      readonly sessionId: string;
      readonly userId: string;
      readonly refreshToken: string;
    }
  /** It was spent before this attempt began: somebody kept a copy. */
  | { readonly outcome: "reused"; readonly sessionId: string; readonly userId: string }
  /** Another attempt that ran at the same time was quicker: two tabs of one browser. */
  | { readonly outcome: "outrun" }
  | { readonly outcome: "unknown" };

/** Opens a session with its first refresh token. */
export async function openSession(
  trx: Db,
  userId: string,
  address: string | null,
): Promise<{ sessionId: string; refreshToken: string }> {
  const sessionId = newId();
  await trx.raw(
    `INSERT INTO sessions (id, user_id, address, expires_at)
     VALUES (?, ?, ?, now() + make_interval(secs => ?))`,
    [sessionId, userId, address, SESSION_LIFETIME_SECONDS],
  );
  return { sessionId, refreshToken: await addRefreshToken(trx, sessionId) };
}

/**
 * Spends a refresh token and makes the next one. The row's lock lets one of several simultaneous attempts win;
 * the others began before it was spent, and are told apart by that from a later reuse.
 */
export async function rotateRefreshToken(trx: Db, refreshToken: string): Promise<Rotation> {
  const tokenHash = hashRandomToken(refreshToken);
  const spent = await trx.raw<{ rows: { sessionId: string; userId: string }[] }>(
    `UPDATE refresh_tokens AS token SET spent_at = clock_timestamp()
     FROM sessions JOIN users ON users.id = sessions.user_id
     WHERE token.token_hash = ? AND token.spent_at IS NULL AND sessions.id = token.session_id
       AND sessions.revoked_at IS NULL AND sessions.expires_at > now() AND users.is_active
     RETURNING sessions.id AS "sessionId", sessions.user_id AS "userId"`,
    [tokenHash],
  );
  const [row] = spent.rows;
  if (row) return { outcome: "rotated", ...row, refreshToken: await addRefreshToken(trx, row.sessionId) };
  const { rows } = await trx.raw<{ rows: { sessionId: string; userId: string; wasSpentFirst: boolean }[] }>(
    `SELECT sessions.id AS "sessionId", sessions.user_id AS "userId", token.spent_at < now() AS "wasSpentFirst"
     FROM refresh_tokens AS token JOIN sessions ON sessions.id = token.session_id
     WHERE token.token_hash = ? AND token.spent_at IS NOT NULL AND sessions.revoked_at IS NULL`,
    [tokenHash],
  );
  const [known] = rows;
  if (!known) return { outcome: "unknown" };
  if (!known.wasSpentFirst) return { outcome: "outrun" };
  return { outcome: "reused", sessionId: known.sessionId, userId: known.userId };
}

/** The live session that a refresh token belongs to, spent or not. */
export async function findSessionOfRefreshToken(
  db: Db,
  refreshToken: string,
): Promise<{ sessionId: string; userId: string } | undefined> {
  const token = await RefreshTokenModel.query(db).findOne({ token_hash: hashRandomToken(refreshToken) });
  const session = token && (await SessionModel.query(db).findById(token.sessionId).whereNull("revoked_at"));
  return session && { sessionId: session.id, userId: session.userId };
}

/** Ends one session. */
export async function revokeSession(trx: Db, sessionId: string): Promise<void> {
  await SessionModel.query(trx)
    .patch({ revokedAt: new Date() })
    .where({ id: sessionId })
    .whereNull("revoked_at");
}

/** Ends a person's sessions, but for one. */
export async function revokeSessionsOf(
  trx: Db,
  userId: string,
  exceptSessionId: string | null,
): Promise<void> {
  const query = SessionModel.query(trx)
    .patch({ revokedAt: new Date() })
    .where({ user_id: userId })
    .whereNull("revoked_at");
  if (exceptSessionId !== null) void query.whereNot("id", exceptSessionId);
  await query;
}

async function addRefreshToken(trx: Db, sessionId: string): Promise<string> {
  const refreshToken = makeRandomToken("hrr_");
  const tokenHash = hashRandomToken(refreshToken);
  await RefreshTokenModel.query(trx).insert({ id: newId(), sessionId, tokenHash });
  return refreshToken;
}
