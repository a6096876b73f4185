import type { IncomingMessage } from "node:http";
import type { Request } from "express";
import type { Actor } from "../../core/actor.js";
import { AppError, conflict, notFound } from "../../errors/app-error.js";
import { assertCan } from "../../services/access/assert-can.js";
import type { AppLinks } from "../../services/apps/app-links.js";
import type { AppPlace, Apps } from "../../services/apps/apps.js";
import type { Principal, Principals } from "../../services/auth/principals.js";
import type { Authenticator } from "../authenticate.js";

/** What judging takes. */
export interface AppRequestDeps {
  readonly authenticator: Authenticator;
  readonly principals: Principals;
  readonly links: AppLinks;
  readonly apps: Apps;
  /** The setting `APPS_URL`. */
  readonly appsUrl?: string | undefined;
}

/** A request below `/apps/`, as its URL says. */
export interface AppPath {
  readonly appId: string;
  /** The segment of a link. */
  readonly link: string | undefined;
  /** `/apps/{id}`, and of a link its segment. */
  readonly prefix: string;
  /** What is left: the app's own path; empty where even the slash after the prefix is missing. */
  readonly path: string;
  /** With its question mark. */
  readonly query: string;
}

/** A request that may reach its app. */
export interface JudgedRequest extends AppPath {
  readonly principal: Principal;
  readonly place: AppPlace;
}

const LOOKS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Reads a URL; undefined when it names no app. */
export function parseAppPath(url: string): AppPath | undefined {
  const match = /^(\/apps\/([^/?]+))(\/~([^/?]*))?((?:\/[^?]*)?)(\?.*)?$/s.exec(url);
  if (!match) return undefined;
  const [, base = "", appId = "", segment = "", link, path = "", query = ""] = match;
  return { appId, link, prefix: base + segment, path, query };
}

/** Whether a request is for the origin that apps have of their own. */
export function isOnAppsOrigin(request: IncomingMessage, appsUrl: string | undefined): boolean {
  return appsUrl !== undefined && request.headers.host?.toLowerCase() === new URL(appsUrl).host;
}

/**
 * Who asks for what: 401, then 403, then 404. On the apps' own origin a link alone counts: a cookie there is no proof
 * of a page of ours.
 * @throws AppError
 */
export async function judgeAppRequest(
  deps: AppRequestDeps,
  request: IncomingMessage,
  given: AppPath,
): Promise<JudgedRequest> {
  const principal = await identify(deps, request, given);
  assertCan(principal.actor, "app:read");
  const place = await deps.apps.findPlace(given.appId);
  assertMayUse(principal.actor, request, place);
  return { ...given, principal, place };
}

/** What an app that its step waits for sends back decides how the run goes on, as an approval does: looking is not enough. */
function assertMayUse(actor: Actor, { method = "GET", headers }: IncomingMessage, place: AppPlace): void {
  const isUse = headers.upgrade !== undefined || !LOOKS.has(method);
  if (place.waitForSubmit && isUse) assertCan(actor, "run:approve");
}

/** @throws AppError CONFLICT for an app that has ended, NOT_READY for one that is starting */
export function assertServing({ status, reason }: AppPlace): void {
  if (status === "running") return;
  if (status !== "starting")
    throw conflict(
      `The app has ${status}: ${reason ?? "for no known reason"}. Run its workflow to start another`,
    );
  throw new AppError("NOT_READY", "The app is starting", { headers: { "Retry-After": "2" } });
}

/** Looks again whether they may. @throws AppError */
export async function confirmAppRequest(
  deps: AppRequestDeps,
  request: IncomingMessage,
  judged: JudgedRequest,
): Promise<void> {
  const { actor } =
    judged.link === undefined
      ? await deps.authenticator.confirm(request as Request, judged.principal)
      : await identify(deps, request, judged);
  assertCan(actor, "app:read");
  assertMayUse(actor, request, judged.place);
}

async function identify(deps: AppRequestDeps, request: IncomingMessage, given: AppPath): Promise<Principal> {
  const { appId, link } = given;
  if (link === undefined && !isOnAppsOrigin(request, deps.appsUrl))
    return await deps.authenticator.authenticate(request as Request);
  const claims = link === undefined ? undefined : deps.links.read(appId, link);
  const principal = claims && (await deps.principals.findBySession(claims));
  if (!principal) throw new AppError("UNAUTHENTICATED", "This link is not valid any more: open the app anew");
  return principal;
}

/** An upgrade by cookie must come from our own pages: browsers send cookies with those of any page. */
export function assertOwnUpgrade(request: IncomingMessage, { link }: AppPath): void {
  if (link !== undefined || request.headers.authorization !== undefined) return;
  const { origin, host } = request.headers;
  const isOwn = origin !== undefined && URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();
  if (!isOwn)
    throw new AppError("FORBIDDEN", "A connection by cookie must come from this server's own origin");
}

/** @throws AppError NOT_FOUND */
export function parseAppPathOrFail(url: string): AppPath {
  const path = parseAppPath(url);
  if (!path) throw notFound("App");
  return path;
}
