import { PAGE_PATHS } from "../app/page-paths.js";

/** The header that tells the server that a change comes from our own pages. */
export const CSRF_HEADERS = { "X-Headrace-CSRF": "1" } as const;

let refreshing: Promise<boolean> | undefined;

/**
 * Gets new session cookies for spent ones; true when there are some. However many requests find that the session is
 * spent, one asks; tabs of one browser take turns, since a refresh token can be used once.
 */
export async function refreshSession(): Promise<boolean> {
  refreshing ??= refreshInTurn().finally(() => {
    refreshing = undefined;
  });
  return await refreshing;
}

const LAST_REFRESH = "headrace.refreshedAt";
/** Another tab that has refreshed so lately has done it for us, too: cookies are shared. */
const FRESH_MS = 5000;

async function refreshInTurn(): Promise<boolean> {
  const askedAt = Date.now();
  const inTurn = async () => {
    if (Number(localStorage.getItem(LAST_REFRESH) ?? 0) > askedAt - FRESH_MS) return true;
    const response = await fetch("/api/v1/auth/refresh", {
      method: "POST",
      headers: { ...CSRF_HEADERS, "Content-Type": "application/json" },
      body: "{}",
    });
    if (response.ok) localStorage.setItem(LAST_REFRESH, String(Date.now()));
    return response.ok;
  };
  try {
    return "locks" in navigator ? await navigator.locks.request("headrace.refresh", inTurn) : await inTurn();
  } catch {
    return false;
  }
}

/** Leaves for the sign-in page, which leads back to where we are. */
export function goToSignIn(): void {
  if (location.pathname === PAGE_PATHS.signIn) return;
  const here = location.pathname + location.search + location.hash;
  location.assign(here === "/" ? PAGE_PATHS.signIn : `${PAGE_PATHS.signIn}?next=${encodeURIComponent(here)}`);
}

/** Where to go after sign-in: a path of this server and nothing else, whatever the URL says. */
export function nextAfterSignIn(search: string, origin: string): string {
  const asked = new URLSearchParams(search).get("next") ?? "/";
  try {
    const url = new URL(asked, origin);
    // `//evil.example` and `/\evil.example` look like paths: what they resolve to is compared
    // and so is what its path becomes once its dots are resolved: `/..//evil.example` is `//evil.example` then
    const isOwn = url.origin === origin && /^https?:$/.test(url.protocol) && !url.pathname.startsWith("//");
    return isOwn ? url.pathname + url.search + url.hash : "/";
  } catch {
    return "/";
  }
}
