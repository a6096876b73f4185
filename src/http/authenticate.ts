import type { NextFunction, Request, Response } from "express";
import passport from "passport";
import { Strategy as JwtStrategy } from "passport-jwt";
import { AppError, toError } from "../errors/app-error.js";
import type { AccessTokens } from "../services/auth/access-tokens.js";
import type { Principal, Principals } from "../services/auth/principals.js";
import { assertSameOrigin } from "./assert-same-origin.js";
import { readCookie, SESSION_COOKIE } from "./session-cookies.js";

/** Tells who a request comes from. */
export interface Authenticator {
  /**
   * By bearer token, API key or session cookie.
   * @throws AppError UNAUTHENTICATED; FORBIDDEN for a change by cookie that is not from our own pages.
   */
  authenticate(request: Request): Promise<Principal>;
  /**
   * Looks again, later, at who was told from a request. A session counts for as long as it is live, though the
   * access token that opened the request has run out. @throws AppError UNAUTHENTICATED
   */
  confirm(request: Request, principal: Principal): Promise<Principal>;
}

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);
const LONGEST_TOKEN = 4096;

/** Makes the check. JSON Web Tokens go through passport-jwt; what it accepts is looked up in the database. */
export function createAuthenticator(deps: {
  readonly accessTokens: AccessTokens;
  readonly principals: Principals;
}): Authenticator {
  const { accessTokens, principals } = deps;
  const tokens = new WeakMap<Request, string>();
  const instance = new passport.Passport();
  instance.use(
    new JwtStrategy(
      {
        ...accessTokens.verification,
        // its types do not know of key objects, which it hands on as they are
        secretOrKey: accessTokens.verification.secretOrKey as unknown as Buffer,
        jwtFromRequest: (request) => tokens.get(request as Request) ?? null,
      },
      (payload: unknown, done: (error: unknown, principal?: Principal | false) => void) => {
        const claims = accessTokens.parseClaims(payload);
        if (!claims) return done(null, false);
        principals.findBySession(claims).then(
          (principal) => done(null, principal ?? false),
          (error: unknown) => done(error),
        );
      },
    ),
  );

  async function findByToken(request: Request, token: string): Promise<Principal | undefined> {
    if (!accessTokens.hasOwnHeader(token)) return undefined;
    tokens.set(request, token);
    return await verifyByPassport(instance, request);
  }

  async function authenticate(request: Request): Promise<Principal> {
    const bearer = readBearer(request);
    if (bearer?.startsWith("hr_")) return orRefuse(await principals.findByApiKey(bearer));
    if (bearer !== undefined) return orRefuse(await findByToken(request, bearer));
    const cookie = readCookie(request, SESSION_COOKIE);
    if (cookie === undefined || cookie.length > LONGEST_TOKEN) throw refused();
    const principal = orRefuse(await findByToken(request, cookie));
    if (!SAFE_METHODS.has(request.method)) assertSameOrigin(request, request.secure);
    return principal;
  }

  return {
    authenticate,
    async confirm(request, { actor, sessionId }) {
      if (sessionId === null || actor.userId === null) return await authenticate(request);
      return orRefuse(await principals.findBySession({ userId: actor.userId, sessionId }));
    },
  };
}

async function verifyByPassport(
  instance: InstanceType<typeof passport.Passport>,
  request: Request,
): Promise<Principal | undefined> {
  return await new Promise((resolve, reject) => {
    const done = (error: unknown, principal?: Principal | false | null) => {
      if (error) reject(toError(error));
      else resolve(principal || undefined);
    };
    const middleware = instance.authenticate("jwt", { session: false }, done) as (
      request: Request,
      response: Response | undefined,
      next: NextFunction,
    ) => void;
    middleware(request, undefined, done);
  });
}

/** The bearer token; undefined when there is no Authorization header at all. */
function readBearer(request: Request): string | undefined {
  const count = request.rawHeaders.filter((name, at) => at % 2 === 0 && /^authorization$/i.test(name)).length;
  if (count === 0) return undefined;
  const match = /^Bearer ([A-Za-z0-9._~+/=-]+)$/i.exec(request.headers.authorization ?? "");
  if (count > 1 || !match?.[1] || match[1].length > LONGEST_TOKEN) throw refused();
  return match[1];
}

function orRefuse(principal: Principal | undefined): Principal {
  if (!principal) throw refused();
  return principal;
}

function refused(): AppError {
  return new AppError("UNAUTHENTICATED", "Send a valid access token or API key as Authorization: Bearer …", {
    headers: { "WWW-Authenticate": 'Bearer realm="headrace"' },
  });
}
