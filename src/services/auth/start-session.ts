import type { Knex } from "knex";
import type { SignedIn } from "../../contracts/api/auth.js";
import type { RequestOrigin } from "../../core/actor.js";
import { UserModel } from "../../models/user-model.js";
import type { AuditLog } from "../audit/audit-log.js";
import { presentUser } from "../users/present-user.js";
import type { AccessTokens } from "./access-tokens.js";
import { openSession } from "./sessions.js";

/** Opens sessions for people who have proved who they are. */
export interface SessionStarter {
  /** Opens one, with its audit entry. */
  start(
    trx: Knex.Transaction,
    user: UserModel,
    how: { readonly origin: RequestOrigin; readonly by: "password" | "oidc" },
  ): Promise<SignedIn>;
  /** The answer for a session that is open: a new access token beside a refresh token. */
  present(user: UserModel, session: { sessionId: string; refreshToken: string }): SignedIn;
}

/** Makes the service. */
export function createSessionStarter(deps: {
  readonly audit: AuditLog;
  readonly accessTokens: AccessTokens;
}): SessionStarter {
  const { audit, accessTokens } = deps;
  function present(user: UserModel, session: { sessionId: string; refreshToken: string }): SignedIn {
    const token = accessTokens.issue({ userId: user.id, sessionId: session.sessionId });
    const lastLoginAt = user.lastLoginAt ?? new Date();
    return {
      ...token,
      refreshToken: session.refreshToken,
      tokenType: "Bearer",
      user: { ...presentUser(user), lastLoginAt: lastLoginAt.toISOString() },
    };
  }
  return {
    async start(trx, user, { origin, by }) {
      await UserModel.query(trx).patch({ lastLoginAt: new Date() }).where("id", user.id);
      const opened = await openSession(trx, user.id, origin.address);
      await audit.record(trx, {
        actor: { type: "user", userId: user.id, name: user.email, role: user.role },
        origin,
        action: "session.create",
        entityType: "session",
        entityId: opened.sessionId,
        after: { by },
      });
      return present(user, opened);
    },
    present,
  };
}
