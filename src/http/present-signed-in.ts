import type { SignedIn } from "../contracts/api/auth.js";
import { SESSION_LIFETIME_SECONDS } from "../services/auth/sessions.js";
import type { RouteResponse } from "./route.js";
import { makeSessionCookies } from "./session-cookies.js";

/** The answer to a sign-in: its tokens, and the cookies that the console uses. */
export function presentSignedIn(
  signedIn: SignedIn,
  isSecure: boolean,
  moreCookies: readonly string[] = [],
): RouteResponse {
  const { accessToken, refreshToken, expiresIn } = signedIn;
  const refreshSeconds = SESSION_LIFETIME_SECONDS;
  const cookies = makeSessionCookies({ accessToken, refreshToken, expiresIn, refreshSeconds, isSecure });
  return { status: 200, headers: { "Set-Cookie": [...cookies, ...moreCookies] }, body: signedIn };
}
