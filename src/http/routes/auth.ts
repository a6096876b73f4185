import type { Request } from "express";
import {
  changePasswordSchema,
  loginSchema,
  meSchema,
  refreshSchema,
  signedInSchema,
} from "../../contracts/api/auth.js";
import { AppError } from "../../errors/app-error.js";
import { permissionsOfActor } from "../../services/access/assert-can.js";
import { DEVICE_LIFETIME_SECONDS } from "../../services/auth/known-devices.js";
import type { Principal } from "../../services/auth/principals.js";
import type { SignIn } from "../../services/auth/sign-in.js";
import { assertSameOrigin } from "../assert-same-origin.js";
import type { Authenticator } from "../authenticate.js";
import { presentSignedIn } from "../present-signed-in.js";
import { defineRoute, type RouteDefinition } from "../route.js";
import {
  DEVICE_COOKIE,
  makeClearedCookies,
  makeDeviceCookie,
  readCookie,
  REFRESH_COOKIE,
} from "../session-cookies.js";

const TAG = "Sign-in";

/** `/api/v1/auth`: login, refresh, logout, me, password. */
export function authRoutes(deps: {
  readonly signIn: SignIn;
  readonly authenticator: Authenticator;
}): RouteDefinition[] {
  const { signIn } = deps;
  return [
    defineRoute({
      method: "post",
      path: "/api/v1/auth/login",
      permission: "public",
      summary: "Sign in with e-mail and password; also sets the session cookie",
      tag: TAG,
      body: loginSchema,
      answers: {
        200: { description: "Signed in", schema: signedInSchema },
        401: { description: "E-mail or password is wrong" },
        429: { description: "Too many attempts; see Retry-After" },
      },
      async handler({ body, origin, isSecure, raw }) {
        const known = readCookie(raw, DEVICE_COOKIE);
        const { signedIn, deviceMark } = await signIn.login(body, origin, known);
        return presentSignedIn(signedIn, isSecure, [
          makeDeviceCookie(deviceMark, DEVICE_LIFETIME_SECONDS, isSecure),
        ]);
      },
    }),
    defineRoute({
      method: "post",
      path: "/api/v1/auth/refresh",
      permission: "public",
      summary: "Exchange a refresh token for new tokens; it can be used once",
      tag: TAG,
      body: refreshSchema,
      answers: {
        200: { description: "New tokens", schema: signedInSchema },
        401: { description: "Not valid; reuse of a spent token ends its session" },
      },
      async handler({ body, origin, isSecure, raw }) {
        const token = body.refreshToken ?? readRefreshCookie(raw as Request);
        if (token === undefined) throw new AppError("UNAUTHENTICATED", "Send a refresh token");
        return presentSignedIn(await signIn.refresh(token, origin), isSecure);
      },
    }),
    logoutRoute(deps),
    ...personalRoutes(signIn),
  ];
}

function logoutRoute(deps: {
  readonly signIn: SignIn;
  readonly authenticator: Authenticator;
}): RouteDefinition {
  const { signIn } = deps;
  return defineRoute({
    method: "post",
    path: "/api/v1/auth/logout",
    permission: "public",
    summary: "End the session of a refresh token, or of the access token that was sent",
    tag: TAG,
    body: refreshSchema,
    answers: { 204: { description: "Signed out" }, 401: { description: "No live session was named" } },
    async handler({ body, origin, isSecure, raw }) {
      const request = raw as Request;
      const current = await findPrincipal(deps.authenticator, request);
      const token = body.refreshToken ?? (current ? undefined : readRefreshCookie(request));
      const endedId = token === undefined ? undefined : await signIn.logoutByToken(token, origin);
      const isLeft = current?.sessionId != null && current.sessionId !== endedId;
      if (isLeft) await signIn.logout(current.actor, current.sessionId ?? "", origin);
      if (endedId === undefined && !current)
        throw new AppError("UNAUTHENTICATED", "There is no session to end");
      return { status: 204, headers: { "Set-Cookie": makeClearedCookies(isSecure) } };
    },
  });
}

function personalRoutes(signIn: SignIn): RouteDefinition[] {
  return [
    defineRoute({
      method: "get",
      path: "/api/v1/auth/me",
      permission: "authenticated",
      summary: "Who am I, and what may I do",
      tag: TAG,
      answers: { 200: { description: "The person behind the credential", schema: meSchema } },
      async handler({ actor }) {
        const user = await signIn.getUser(actor);
        return { status: 200, body: { ...user, role: actor.role, permissions: permissionsOfActor(actor) } };
      },
    }),
    defineRoute({
      method: "post",
      path: "/api/v1/auth/password",
      permission: "authenticated",
      summary: "Change one's own password; ends one's other sessions",
      tag: TAG,
      body: changePasswordSchema,
      answers: {
        204: { description: "Changed" },
        429: { description: "Too many attempts; see Retry-After" },
      },
      async handler({ actor, sessionId, origin, body }) {
        if (actor.type !== "user") throw new AppError("FORBIDDEN", "An API key cannot change a password");
        await signIn.changePassword({ actor, sessionId, origin }, body);
        return { status: 204 };
      },
    }),
  ];
}

/** Browsers keep the refresh token where no script can read it. */
function readRefreshCookie(request: Request): string | undefined {
  const token = readCookie(request, REFRESH_COOKIE);
  if (token !== undefined) assertSameOrigin(request, request.secure);
  return token;
}

/** Who signs out, if the access token still tells; an expired one must not keep anybody from signing out. */
async function findPrincipal(authenticator: Authenticator, request: Request): Promise<Principal | undefined> {
  try {
    return await authenticator.authenticate(request);
  } catch (error) {
    if (error instanceof AppError && error.code === "UNAUTHENTICATED") return undefined;
    throw error;
  }
}
