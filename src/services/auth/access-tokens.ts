import { createHash, createSecretKey, type KeyObject } from "node:crypto";
import jsonwebtoken from "jsonwebtoken";

const ISSUER = "headrace";
const AUDIENCE = "headrace-api";
const LIFETIME_SECONDS = 15 * 60;
/** Clocks of several web processes may differ by this much. */
const LEEWAY_SECONDS = 5;

/** What an access token says: who, and by which sign-in. Never a role: that is read at each request. */
export interface AccessClaims {
  readonly userId: string;
  readonly sessionId: string;
}

/** Issues access tokens (JWT, HS256), and holds what a verifier must demand of them. */
export interface AccessTokens {
  issue(claims: AccessClaims): { accessToken: string; expiresIn: number };
  /** For passport-jwt: signature, algorithm, issuer, audience, expiry, age. */
  readonly verification: {
    readonly secretOrKey: KeyObject;
    readonly algorithms: ["HS256"];
    readonly issuer: string;
    readonly audience: string;
    readonly ignoreExpiration: false;
    readonly jsonWebTokenOptions: { readonly clockTolerance: number; readonly maxAge: string };
  };
  /** Whether a token's header is one of ours: no other member than `alg`, `typ` and our own `kid`. */
  hasOwnHeader(token: string): boolean;
  /** The claims of a verified payload; undefined when it lacks one, or lives longer than we let tokens live. */
  parseClaims(payload: unknown): AccessClaims | undefined;
}

/** Makes the issuer over the installation's secret. */
export function createAccessTokens(deps: { readonly jwtSecret: string }): AccessTokens {
  const { jwtSecret } = deps;
  const keyId = createHash("sha256").update("headrace kid").update(jwtSecret).digest("hex").slice(0, 8);
  // a string would be tried as a public key at each request, which takes longer than the verification itself
  const key = createSecretKey(jwtSecret, "utf8");
  return {
    issue(claims) {
      const accessToken = jsonwebtoken.sign({ typ: "access", sid: claims.sessionId }, key, {
        algorithm: "HS256",
        keyid: keyId,
        subject: claims.userId,
        issuer: ISSUER,
        audience: AUDIENCE,
        expiresIn: LIFETIME_SECONDS,
      });
      return { accessToken, expiresIn: LIFETIME_SECONDS };
    },
    verification: {
      secretOrKey: key,
      algorithms: ["HS256"],
      issuer: ISSUER,
      audience: AUDIENCE,
      ignoreExpiration: false,
      jsonWebTokenOptions: { clockTolerance: LEEWAY_SECONDS, maxAge: `${LIFETIME_SECONDS}s` },
    },
    hasOwnHeader(token) {
      const header: unknown = jsonwebtoken.decode(token, { complete: true })?.header;
      if (typeof header !== "object" || header === null) return false;
      const members = header as Record<string, unknown>;
      const isPlain = Object.keys(members).every((name) => ["alg", "typ", "kid"].includes(name));
      return isPlain && (members["kid"] === undefined || members["kid"] === keyId);
    },
    parseClaims,
  };
}

function parseClaims(payload: unknown): AccessClaims | undefined {
  if (typeof payload !== "object" || payload === null) return undefined;
  const { typ, sub, sid, iat, exp } = payload as Record<string, unknown>;
  if (typ !== "access" || typeof sub !== "string" || typeof sid !== "string") return undefined;
  if (typeof iat !== "number" || typeof exp !== "number") return undefined;
  const isFromFuture = iat > Date.now() / 1000 + LEEWAY_SECONDS;
  if (isFromFuture || exp - iat > LIFETIME_SECONDS) return undefined;
  return { userId: sub, sessionId: sid };
}
