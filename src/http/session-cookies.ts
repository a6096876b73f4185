import type { IncomingMessage } from "node:http";
import { parseCookie, stringifySetCookie } from "cookie";

/** Holds the access token, for the console and Bull Board. */
export const SESSION_COOKIE = "headrace_session";
/** Holds the refresh token, sent to the sign-in routes alone. */
export const REFRESH_COOKIE = "headrace_refresh";
const REFRESH_PATH = "/api/v1/auth";
/** Says that somebody has signed in from this browser before. It opens nothing. */
export const DEVICE_COOKIE = "headrace_device";

/** The `Set-Cookie` values of a sign-in: no script can read them, no other site can send them. */
export function makeSessionCookies(tokens: {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresIn: number;
  readonly refreshSeconds: number;
  readonly isSecure: boolean;
}): string[] {
  const flags = { httpOnly: true, sameSite: "strict", secure: tokens.isSecure } as const;
  return [
    stringifySetCookie({
      name: SESSION_COOKIE,
      value: tokens.accessToken,
      ...flags,
      path: "/",
      maxAge: tokens.expiresIn,
    }),
    stringifySetCookie({
      name: REFRESH_COOKIE,
      value: tokens.refreshToken,
      ...flags,
      path: REFRESH_PATH,
      maxAge: tokens.refreshSeconds,
    }),
  ];
}

/** The `Set-Cookie` value by which a browser is known at the next sign-in. */
export function makeDeviceCookie(mark: string, seconds: number, isSecure: boolean): string {
  const flags = { httpOnly: true, sameSite: "strict", secure: isSecure } as const;
  return stringifySetCookie({
    name: DEVICE_COOKIE,
    value: mark,
    ...flags,
    path: REFRESH_PATH,
    maxAge: seconds,
  });
}

/** Holds a sign-in that is under way at a provider, for the way back from there: a navigation from another site. */
export const OIDC_COOKIE = "headrace_oidc";

/** The `Set-Cookie` value that keeps it, or with 0 seconds ends it. */
export function makeOidcCookie(value: string, seconds: number, isSecure: boolean): string {
  const flags = { httpOnly: true, sameSite: "lax", secure: isSecure } as const;
  return stringifySetCookie({
    name: OIDC_COOKIE,
    value,
    ...flags,
    path: "/api/v1/auth/oidc",
    maxAge: seconds,
  });
}

/** The `Set-Cookie` values that end a sign-in. */
export function makeClearedCookies(isSecure: boolean): string[] {
  const flags = { httpOnly: true, sameSite: "strict", secure: isSecure, maxAge: 0 } as const;
  return [
    stringifySetCookie({ name: SESSION_COOKIE, value: "", ...flags, path: "/" }),
    stringifySetCookie({ name: REFRESH_COOKIE, value: "", ...flags, path: REFRESH_PATH }),
  ];
}

/** One of our cookies; undefined when it is not there, or there more than once (one may be planted). */
export function readCookie(request: IncomingMessage, name: string): string | undefined {
  const header = request.headers.cookie;
  if (header === undefined) return undefined;
  const given = header.split(";").filter((part) => part.trimStart().startsWith(`${name}=`));
  return given.length === 1 ? parseCookie(header)[name] : undefined;
}
