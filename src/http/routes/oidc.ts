import type { Request } from "express";
import {
  oidcCallbackQuerySchema,
  oidcStartQuerySchema,
  signInMethodsSchema,
} from "../../contracts/api/sign-in-methods.js";
import type { ErrorCode } from "../../errors/error-codes.js";
import { AppError, notFound } from "../../errors/app-error.js";
import type { OidcFault } from "../../services/auth/oidc/oidc-fault.js";
import type { OidcSignIn } from "../../services/auth/oidc/oidc-sign-in.js";
import { OIDC_STATE_SECONDS } from "../../services/auth/oidc/oidc-state.js";
import { toOwnPath } from "../own-path.js";
import { renderOnwardPage } from "../pages/onward-page.js";
import { presentSignedIn } from "../present-signed-in.js";
import { defineRoute, type RouteDefinition, type RouteRequest, type RouteResponse } from "../route.js";
import { PAGE_CSP } from "../security-headers.js";
import { makeOidcCookie, OIDC_COOKIE, readCookie } from "../session-cookies.js";

const TAG = "Sign-in";
const PATH = "/api/v1/auth/oidc";

/** What programs are told; browsers go back to the sign-in page, which has words of its own. */
const FAULTS: Readonly<Record<OidcFault, readonly [ErrorCode, string]>> = {
  stale: ["UNAUTHENTICATED", "This browser has no such sign-in under way. Begin again."],
  refused: ["UNAUTHENTICATED", "The provider refused the sign-in"],
  invalid: ["UNAUTHENTICATED", "The provider's answer is not valid"],
  unreachable: ["UPSTREAM_FAILED", "The provider does not answer"],
  unverified: ["FORBIDDEN", "The provider does not vouch for your e-mail address"],
  taken: ["FORBIDDEN", "Your e-mail address belongs to another account of the provider"],
  "no-access": ["FORBIDDEN", "You have no access to this installation"],
};

/** `/api/v1/auth/methods` and `/api/v1/auth/oidc`: sign-in through an OpenID Connect provider. */
export function oidcRoutes(deps: {
  readonly oidc: OidcSignIn | undefined;
  /** The setting `PUBLIC_URL`. */
  readonly publicUrl: string | undefined;
}): RouteDefinition[] {
  const { oidc } = deps;
  return [
    defineRoute({
      method: "get",
      path: "/api/v1/auth/methods",
      permission: "public",
      summary: "How one may sign in here",
      tag: TAG,
      answers: { 200: { description: "The ways", schema: signInMethodsSchema } },
      handler: () =>
        Promise.resolve({
          status: 200,
          body: { password: true, oidc: oidc ? { label: oidc.label, startUrl: `${PATH}/start` } : null },
        }),
    }),
    startRoute(deps),
    callbackRoute(oidc),
  ];
}

function startRoute(deps: {
  readonly oidc: OidcSignIn | undefined;
  readonly publicUrl: string | undefined;
}): RouteDefinition {
  return defineRoute({
    method: "get",
    path: `${PATH}/start`,
    permission: "public",
    summary: "Sign in through the OpenID Connect provider: sends the browser there",
    tag: TAG,
    query: oidcStartQuerySchema,
    answers: {
      302: { description: "To the provider" },
      404: { description: "No provider is configured" },
      502: { description: "The provider does not answer" },
    },
    async handler(request) {
      if (!deps.oidc) throw notFound("Provider");
      const next = toOwnPath(request.query.next);
      const origin = new URL(deps.publicUrl ?? ownOrigin(request)).href.replace(/\/$/, "");
      const begun = await deps.oidc.begin(`${origin}${PATH}/callback`, next);
      if ("fault" in begun) return answerFault(request, begun.fault, next);
      const cookie = makeOidcCookie(begun.state, OIDC_STATE_SECONDS, request.isSecure);
      return { status: 302, headers: { Location: begun.url, "Set-Cookie": cookie } };
    },
  });
}

function callbackRoute(oidc: OidcSignIn | undefined): RouteDefinition {
  return defineRoute({
    method: "get",
    path: `${PATH}/callback`,
    permission: "public",
    summary: "Where the OpenID Connect provider sends the browser back to",
    tag: TAG,
    query: oidcCallbackQuerySchema,
    answers: {
      200: { description: "Signed in, with the session cookie; the page goes on", contentType: "text/html" },
      302: { description: "Browsers without a sign-in: back to the sign-in page" },
      401: { description: "Not an answer to a sign-in of this browser, or not a valid one" },
      403: { description: "The person may not come in" },
      404: { description: "No provider is configured" },
    },
    async handler(request) {
      if (!oidc) throw notFound("Provider");
      const url = (request.raw as Request).originalUrl;
      const query = url.includes("?") ? url.slice(url.indexOf("?")) : "";
      const outcome = await oidc.finish(query, readCookie(request.raw, OIDC_COOKIE), request.origin);
      const over = makeOidcCookie("", 0, request.isSecure);
      if ("fault" in outcome) return answerFault(request, outcome.fault, outcome.next, over);
      const { headers } = presentSignedIn(outcome.signedIn, request.isSecure, [over]);
      return {
        status: 200,
        headers: {
          ...headers,
          "Content-Type": "text/html; charset=utf-8",
          "Content-Security-Policy": PAGE_CSP,
        },
        body: renderOnwardPage(outcome.next),
      };
    },
  });
}

/** @throws AppError for programs */
function answerFault(
  request: Pick<RouteRequest, "header">,
  fault: OidcFault,
  next: string,
  cookie?: string,
): RouteResponse {
  const [code, detail] = FAULTS[fault];
  const cookies: Record<string, string> = cookie === undefined ? {} : { "Set-Cookie": cookie };
  if (!(request.header("accept") ?? "").includes("text/html"))
    throw new AppError(code, detail, { headers: cookies });
  const query = new URLSearchParams({ fault, ...(next === "/" ? {} : { next }) });
  return { status: 302, headers: { Location: `/sign-in?${query}`, ...cookies } };
}

function ownOrigin({ isSecure, header }: Pick<RouteRequest, "isSecure" | "header">): string {
  const origin = `${isSecure ? "https" : "http"}://${header("host") ?? ""}`;
  if (!URL.canParse(origin)) throw new AppError("MALFORMED_JSON", "The Host is not valid");
  return origin;
}
