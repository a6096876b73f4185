import type { Knex } from "knex";
import type { SignedIn } from "../../contracts/api/auth.js";
import type { User } from "../../contracts/api/users.js";
import type { Actor, RequestOrigin } from "../../core/actor.js";
import { AppError, invalidFields } from "../../errors/app-error.js";
import { UserModel } from "../../models/user-model.js";
import type { AuditLog } from "../audit/audit-log.js";
import { presentUser } from "../users/present-user.js";
import type { KnownDevices } from "./known-devices.js";
import type { LoginThrottle } from "./login-throttle.js";
import type { Passwords } from "./passwords.js";
import type { Principals } from "./principals.js";
import type { SessionStarter } from "./start-session.js";
import {
  findSessionOfRefreshToken,
  revokeSession,
  revokeSessionsOf,
  rotateRefreshToken,
} from "./sessions.js";

/** Sign-in, refresh, sign-out. */
export interface SignIn {
  /**
   * With the mark of the browser, if it has one, from an earlier sign-in.
   * @throws AppError UNAUTHENTICATED, the same whether the person or the password is wrong; TOO_MANY_REQUESTS
   */
  login(
    credentials: { email: string; password: string },
    origin: RequestOrigin,
    deviceMark?: string,
  ): Promise<LoggedIn>;
  /** Exchanges a refresh token. @throws AppError UNAUTHENTICATED; reuse of a spent one ends its session. */
  refresh(refreshToken: string, origin: RequestOrigin): Promise<SignedIn>;
  /** Ends the session of a refresh token, and tells its id; undefined when it belongs to no live one. */
  logoutByToken(refreshToken: string, origin: RequestOrigin): Promise<string | undefined>;
  /** Ends one session. */
  logout(actor: Actor, sessionId: string, origin: RequestOrigin): Promise<void>;
  /** Sets one's own password and ends one's other sessions. @throws AppError INVALID_FIELDS */
  changePassword(who: Caller, change: { currentPassword: string; newPassword: string }): Promise<void>;
  /** The person behind an actor. @throws AppError UNAUTHENTICATED when there is none */
  getUser(actor: Actor): Promise<User>;
}

/** A sign-in, and the mark by which its browser will be known the next time. */
export interface LoggedIn {
  readonly signedIn: SignedIn;
  readonly deviceMark: string;
}

/** Who asks, by which sign-in, from where. */
export interface Caller {
  readonly actor: Actor;
  readonly sessionId: string | null;
  readonly origin: RequestOrigin;
}

/** What sign-in stands on. */
export interface SignInDeps {
  readonly knex: Knex;
  readonly audit: AuditLog;
  readonly sessions: SessionStarter;
  readonly passwords: Passwords;
  readonly principals: Principals;
  readonly throttle: LoginThrottle;
  readonly devices: KnownDevices;
}

/** Makes the sign-in service. */
export function createSignIn(deps: SignInDeps): SignIn {
  const { knex, audit, principals } = deps;
  /** Exchanges under way: a second tab that presents the same token gets the first one's answer. */
  const exchanges = new Map<string, Promise<SignedIn>>();
  return {
    login: async (credentials, origin, deviceMark) => await login(deps, credentials, origin, deviceMark),
    async refresh(refreshToken, origin) {
      const underWay = exchanges.get(refreshToken);
      if (underWay) return await underWay;
      const exchange = refresh(deps, refreshToken, origin).finally(() => exchanges.delete(refreshToken));
      exchanges.set(refreshToken, exchange);
      return await exchange;
    },
    async logoutByToken(refreshToken, origin) {
      const session = await findSessionOfRefreshToken(knex, refreshToken);
      const user = session && (await UserModel.query(knex).findById(session.userId));
      if (!session || !user) return undefined;
      await endSession(deps, toActor(user), session.sessionId, origin);
      return session.sessionId;
    },
    logout: async (actor, sessionId, origin) => await endSession(deps, actor, sessionId, origin),
    async changePassword(who, change) {
      const user =
        who.actor.userId === null ? undefined : await UserModel.query(knex).findById(who.actor.userId);
      if (!user) throw new AppError("UNAUTHENTICATED", "Sign in first");
      // counted by itself: nobody else's attempts are in the way of whoever is signed in
      const device = `session ${who.sessionId ?? user.id}`;
      const attempt = { email: user.email, address: who.origin.address, device };
      await deps.throttle.assertMayTry(attempt);
      if (!(await deps.passwords.verify(user.passwordHash, change.currentPassword))) {
        throw invalidFields([{ path: "/currentPassword", message: "is not your password" }]);
      }
      await deps.throttle.forgive(attempt);
      const passwordHash = await deps.passwords.hash(change.newPassword);
      await knex.transaction(async (trx) => {
        await UserModel.query(trx).patch({ passwordHash, updatedAt: new Date() }).where("id", user.id);
        await revokeSessionsOf(trx, user.id, who.sessionId);
        await audit.record(trx, {
          ...who,
          action: "user.change-password",
          entityType: "user",
          entityId: user.id,
        });
      });
      principals.forget();
    },
    async getUser(actor) {
      const user = actor.userId === null ? undefined : await UserModel.query(knex).findById(actor.userId);
      if (!user) throw new AppError("UNAUTHENTICATED", "Sign in first");
      return presentUser(user);
    },
  };
}

async function login(
  deps: SignInDeps,
  credentials: { email: string; password: string },
  origin: RequestOrigin,
  deviceMark: string | undefined,
): Promise<LoggedIn> {
  const { email, password } = credentials;
  const attempt = { email, address: origin.address, device: deps.devices.read(email, deviceMark) };
  await deps.throttle.assertMayTry(attempt);
  const user = await UserModel.query(deps.knex).whereRaw("lower(email) = lower(?)", [email]).first();
  const isRight = await deps.passwords.verify(user?.passwordHash ?? null, password);
  if (!user || !isRight || !user.isActive) {
    await deps.audit.record(deps.knex, {
      actor: { type: "user", userId: null, name: email, role: "viewer" },
      origin,
      action: "session.create",
      entityType: "user",
      ...(user ? { entityId: user.id } : {}),
      outcome: "failed",
    });
    throw new AppError("UNAUTHENTICATED", "E-mail or password is wrong");
  }
  await deps.throttle.forgive(attempt);
  const signedIn = await deps.knex.transaction(
    async (trx) => await deps.sessions.start(trx, user, { origin, by: "password" }),
  );
  return { signedIn, deviceMark: deps.devices.make(email) };
}

async function refresh(deps: SignInDeps, refreshToken: string, origin: RequestOrigin): Promise<SignedIn> {
  const rotation = await deps.knex.transaction(async (trx) => {
    const result = await rotateRefreshToken(trx, refreshToken);
    if (result.outcome === "reused") await revokeFamily(deps, trx, result, origin);
    return result;
  });
  if (rotation.outcome !== "rotated") {
    deps.principals.forget();
    throw new AppError("UNAUTHENTICATED", "The refresh token is not valid. Sign in again.");
  }
  const user = await UserModel.query(deps.knex).findById(rotation.userId);
  if (!user) throw new AppError("UNAUTHENTICATED", "The refresh token is not valid. Sign in again.");
  return deps.sessions.present(user, rotation);
}

async function revokeFamily(
  deps: SignInDeps,
  trx: Knex.Transaction,
  session: { sessionId: string; userId: string },
  origin: RequestOrigin,
): Promise<void> {
  await revokeSession(trx, session.sessionId);
  const user = await UserModel.query(trx).findById(session.userId);
  await deps.audit.record(trx, {
    actor: { type: "user", userId: session.userId, name: user?.email ?? "", role: "viewer" },
    origin,
    action: "session.reuse",
    entityType: "session",
    entityId: session.sessionId,
    after: { revoked: true },
    outcome: "denied",
  });
}

async function endSession(
  deps: SignInDeps,
  actor: Actor,
  sessionId: string,
  origin: RequestOrigin,
): Promise<void> {
  await deps.knex.transaction(async (trx) => {
    await revokeSession(trx, sessionId);
    await deps.audit.record(trx, {
      actor,
      origin,
      action: "session.delete",
      entityType: "session",
      entityId: sessionId,
    });
  });
  deps.principals.forget();
}

function toActor(user: UserModel): Actor {
  return { type: "user", userId: user.id, name: user.email, role: user.role };
}
