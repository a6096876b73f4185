import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { parseSetCookie, stringifySetCookie } from "cookie";
import { withoutHopByHop } from "../../outgoing/hop-by-hop.js";

/** Keeps an app's page on the console's origin from acting as the person who looks at it: it has no origin. */
const SANDBOX_CSP = "sandbox allow-scripts allow-forms allow-popups allow-downloads";

/** What says who we are, or where the person was. */
const NOT_FORWARDED = new Set([
  "authorization",
  "proxy-authorization",
  "origin",
  "referer",
  "forwarded",
  "host",
]);
/** What an app may not say on our behalf. */
const NOT_ANSWERED = new Set([
  "alt-svc",
  "clear-site-data",
  "content-security-policy",
  "content-security-policy-report-only",
  "cross-origin-embedder-policy",
  "cross-origin-opener-policy",
  "cross-origin-resource-policy",
  "location",
  "nel",
  "origin-agent-cluster",
  "permissions-policy",
  "referrer-policy",
  "report-to",
  "reporting-endpoints",
  "server",
  "service-worker-allowed",
  "set-cookie",
  "strict-transport-security",
  "www-authenticate",
  "x-frame-options",
  "x-powered-by",
]);
const OWN_COOKIE = /^(headrace_|__host-|__secure-)/i;

/** What an app is told of a request: neither our cookies nor a token, but who it is. */
export function toAppRequestHeaders(
  headers: IncomingHttpHeaders,
  person: string,
  isNavigation: boolean,
): OutgoingHttpHeaders {
  const passed = Object.entries(withoutHopByHop(headers)).filter(
    ([name]) => !NOT_FORWARDED.has(name) && !/^x-(headrace|forwarded)-/.test(name) && name !== "cookie",
  );
  const cookie = (headers.cookie ?? "")
    .split(";")
    .map((part) => part.trim())
    .filter((part) => part !== "" && !OWN_COOKIE.test(part))
    .join("; ");
  return {
    ...Object.fromEntries(passed),
    ...(cookie === "" ? {} : { cookie }),
    // a page is changed on its way
    ...(isNavigation ? { "accept-encoding": "identity" } : {}),
    "x-headrace-user": encodeURIComponent(person),
  };
}

/** How an app's answer is served. */
export interface AppAnswerRules {
  /** The path under which the app is seen: `/apps/{id}` and, of a link, its segment. */
  readonly prefix: string;
  /** It is on the console's origin. */
  readonly isSandboxed: boolean;
  /** The path itself says who may read: pages without an origin may, too. */
  readonly isLinked: boolean;
}

/** Puts the headers of an app's answer on ours: its own, within what it may say. */
export function setAppAnswerHeaders(
  response: ServerResponse,
  headers: IncomingHttpHeaders,
  { prefix, isSandboxed, isLinked }: AppAnswerRules,
): void {
  for (const [name, value] of Object.entries(withoutHopByHop(headers)))
    if (value !== undefined && !NOT_ANSWERED.has(name) && !/^(access-control|x-headrace)-/.test(name))
      response.setHeader(name, value);
  const policies = [isSandboxed ? SANDBOX_CSP : undefined, headers["content-security-policy"]].filter(
    (policy) => policy !== undefined,
  );
  if (policies.length > 0) response.setHeader("Content-Security-Policy", policies.join(", "));
  else response.removeHeader("Content-Security-Policy");
  response.setHeader("X-Frame-Options", "SAMEORIGIN");
  if (isLinked) setOpenHeaders(response);
  const cookies = (headers["set-cookie"] ?? []).flatMap((line) => confineCookie(line, `${prefix}/`));
  if (cookies.length > 0) response.setHeader("Set-Cookie", cookies);
  if (headers.location !== undefined)
    response.setHeader("Location", confineLocation(headers.location, prefix));
}

/** Whoever has the link may read what it leads to. No cookie comes along with this. */
export function setOpenHeaders(response: ServerResponse): void {
  response.setHeader("Access-Control-Allow-Origin", "*");
  response.setHeader("Cross-Origin-Resource-Policy", "cross-origin");
}

/** A cookie of an app is for this app, whatever it says; one that could be taken for ours is dropped. */
function confineCookie(line: string, path: string): string[] {
  try {
    const { domain: _domain, ...cookie } = parseSetCookie(line);
    return OWN_COOKIE.test(cookie.name) ? [] : [stringifySetCookie({ ...cookie, path })];
  } catch {
    return [];
  }
}

function confineLocation(location: string, prefix: string): string {
  return location.startsWith("/") && !location.startsWith("//") ? prefix + location : location;
}
