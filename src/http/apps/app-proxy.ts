import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { type Request, type Response, Router } from "express";
import { AppError } from "../../errors/app-error.js";
import type { Logger } from "../../observability/logger.js";
import { connectGateway } from "../../services/apps/connect-gateway.js";
import { GATEWAY_HEADER, type GatewayPass } from "../../services/apps/gateway-pass.js";
import { RelayError, type RelayTarget, relayRequest, relayUpgrade } from "../../services/apps/relay.js";
import { contextOf } from "../request-context.js";
import { setAppAnswerHeaders, setOpenHeaders, toAppRequestHeaders } from "./app-headers.js";
import {
  type AppPath,
  type AppRequestDeps,
  assertOwnUpgrade,
  assertServing,
  confirmAppRequest,
  isOnAppsOrigin,
  judgeAppRequest,
  type JudgedRequest,
  parseAppPath,
  parseAppPathOrFail,
} from "./judge-app-request.js";
import { addOriginScript, ORIGIN_SCRIPT, ORIGIN_SCRIPT_PATH } from "./origin-script.js";

/** What the proxy depends on. */
export interface AppProxyDeps extends AppRequestDeps {
  readonly pass: GatewayPass;
  readonly logger: Logger;
}

/** `/apps/{id}/…`: apps, behind our sign-in. */
export interface AppProxy {
  readonly router: Router;
  /** Serves an upgrade. @throws AppError with nothing sent; undefined for a URL of another kind */
  upgrade(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void>;
  /** Cuts what is open. */
  close(): void;
}

/** Larger pages are passed on as they are. */
const LONGEST_PAGE = 8 * 1024 * 1024;
const LOOK_EVERY_MS = 5000;
/** What pages show others in, as `Sec-Fetch-Dest` names it. */
const FRAMES: ReadonlySet<string> = new Set(["iframe", "frame", "embed", "object", "fencedframe"]);

/** Makes the proxy. */
export function createAppProxy(deps: AppProxyDeps): AppProxy {
  const open = new Set<() => void>();
  const router = Router({ caseSensitive: true, strict: true });
  router.use(async (request: Request, response: Response, next) => {
    const given = parseAppPath(request.originalUrl);
    if (!given) return next();
    contextOf(request).route = "/apps/:id/*";
    await serve(deps, request, response, given);
  });
  return {
    router,
    async upgrade(request, client, head) {
      const given = parseAppPathOrFail(request.url ?? "");
      const judged = await judgeAppRequest(deps, request, given);
      assertOwnUpgrade(request, given);
      assertServing(judged.place);
      const target = toTarget(deps, request, judged, false);
      const joined = await relayUpgrade(request, client, head, target).catch(toFault);
      open.add(joined.end);
      const stopLooking = lookAgain(deps, request, judged, joined.end);
      void joined.closed.then(() => {
        stopLooking();
        open.delete(joined.end);
      });
    },
    close() {
      for (const end of open) end();
    },
  };
}

async function serve(
  deps: AppProxyDeps,
  request: Request,
  response: Response,
  given: AppPath,
): Promise<void> {
  const isLinked = given.link !== undefined;
  if (isLinked && request.method === "OPTIONS") return answerPreflight(request, response);
  const judged = await judgeOrSignIn(deps, request, response, given);
  if (!judged) return;
  contextOf(request).userId = judged.principal.actor.userId;
  if (isLinked) setOpenHeaders(response);
  const isNavigation = isPageRequest(request);
  const place = whereTo(deps, request, judged, isNavigation);
  if (place !== undefined) return response.redirect(302, place);
  if (isLinked && given.path === ORIGIN_SCRIPT_PATH) {
    response.setHeader("Content-Type", "text/javascript; charset=utf-8");
    response.end(ORIGIN_SCRIPT);
    return;
  }
  assertServing(judged.place);
  const isSandboxed = !isOnAppsOrigin(request, deps.appsUrl);
  const target = toTarget(deps, request, judged, isNavigation);
  // an answer may go on for as long as a WebSocket
  response.once(
    "close",
    lookAgain(deps, request, judged, () => response.destroy()),
  );
  await relayRequest(request, response, target, async (answer) => {
    assertPassed(answer);
    setAppAnswerHeaders(response, answer.headers, { prefix: judged.prefix, isSandboxed, isLinked });
    response.statusCode = answer.statusCode ?? 502;
    return isSandboxed && isLinked && isNavigation ? await rewritePage(answer, response, judged) : undefined;
  }).catch(toFault);
}

/** A person without a sign-in is sent there; programs are told. */
async function judgeOrSignIn(
  deps: AppProxyDeps,
  request: Request,
  response: Response,
  given: AppPath,
): Promise<JudgedRequest | undefined> {
  try {
    return await judgeAppRequest(deps, request, given);
  } catch (error) {
    const isPerson = request.method === "GET" && request.headers["sec-fetch-mode"] === "navigate";
    const isUnknown = error instanceof AppError && error.code === "UNAUTHENTICATED";
    if (!isPerson || !isUnknown || isOnAppsOrigin(request, deps.appsUrl)) throw error;
    const own = `/apps/${given.appId}/`;
    // an old link may be followed by somebody who is signed in: that gives a new one
    response.redirect(302, given.link === undefined ? `/sign-in?next=${encodeURIComponent(own)}` : own);
    return undefined;
  }
}

/** Where a request has to go first: to the slash at the end, or for a page to its person's own link. */
function whereTo(
  { links, appsUrl }: AppProxyDeps,
  request: Request,
  { appId, link, prefix, path, query, principal }: JudgedRequest,
  isNavigation: boolean,
): string | undefined {
  if (request.method !== "GET" && request.method !== "HEAD") return undefined;
  const { sessionId, actor } = principal;
  const isByCookie = link === undefined && request.headers.authorization === undefined;
  if (isByCookie && isNavigation && sessionId !== null && actor.userId !== null) {
    assertOwnFrame(request);
    const segment = links.make(appId, { sessionId, userId: actor.userId });
    const origin = appsUrl === undefined ? "" : new URL(appsUrl).origin;
    return `${origin}/apps/${appId}/~${segment}${path || "/"}${query}`;
  }
  return path === "" ? `${prefix}/${query}` : undefined;
}

/**
 * Apps share their origin where they have one: one that frames another could read the other's link there. Browsers send
 * cookies with frames of a page on the same site, which the apps' origin may be on.
 * @throws AppError FORBIDDEN
 */
function assertOwnFrame({ headers }: Request): void {
  const isFrame = FRAMES.has(headers["sec-fetch-dest"] as string);
  if (!isFrame || ["same-origin", "none"].includes(headers["sec-fetch-site"] as string)) return;
  throw new AppError("FORBIDDEN", "Only pages of this server may frame an app: open it by itself");
}

function isPageRequest({ method, headers }: Request): boolean {
  if (method !== "GET") return false;
  return headers["sec-fetch-mode"] === "navigate" || (headers.accept ?? "").includes("text/html");
}

function toTarget(
  { pass }: AppProxyDeps,
  request: IncomingMessage,
  { appId, path, query, place, principal }: JudgedRequest,
  isNavigation: boolean,
): RelayTarget {
  return {
    path: `/${appId}${path}${query}`,
    headers: {
      ...toAppRequestHeaders(request.headers, principal.actor.name, isNavigation),
      [GATEWAY_HEADER]: pass.make(appId),
      host: "localhost",
    },
    connect: async () => await connectGateway(place),
  };
}

/** The gateway's own refusals are not the app's answers. */
function assertPassed({ headers, statusCode }: IncomingMessage): void {
  if (headers[GATEWAY_HEADER] === undefined) return;
  if (statusCode === 413) throw new AppError("BODY_TOO_LARGE", "The values are too large");
  if (statusCode === 404) throw new AppError("NOT_FOUND", "The app has nothing at this path");
  if (statusCode === 503)
    throw new AppError("NOT_READY", "The app is starting", { headers: { "Retry-After": "2" } });
  throw new AppError("UPSTREAM_FAILED", "The app did not answer");
}

function toFault(error: unknown): never {
  if (error instanceof RelayError && error.cause instanceof AppError) throw error.cause;
  if (!(error instanceof RelayError)) throw error;
  throw new AppError("UPSTREAM_FAILED", "The app did not answer", { cause: error.cause });
}

/** A whole page with the script that makes it fit for having no origin; undefined: it is passed on as it is. */
async function rewritePage(
  answer: IncomingMessage,
  response: ServerResponse,
  { prefix }: JudgedRequest,
): Promise<string | undefined> {
  const {
    "content-type": type = "",
    "content-encoding": encoding,
    "content-length": length,
  } = answer.headers;
  if (!type.startsWith("text/html") || encoding !== undefined) return undefined;
  if (length === undefined || Number(length) > LONGEST_PAGE) return undefined;
  const parts: Buffer[] = [];
  for await (const part of answer as AsyncIterable<Buffer>) parts.push(part);
  const html = addOriginScript(Buffer.concat(parts).toString("utf8"), prefix);
  response.removeHeader("ETag");
  response.setHeader("Content-Length", Buffer.byteLength(html));
  return html;
}

/** A page without an origin has to ask; whoever has the link may. */
function answerPreflight(request: Request, response: Response): void {
  setOpenHeaders(response);
  response.setHeader("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
  const wanted = request.headers["access-control-request-headers"];
  if (wanted !== undefined && wanted.length < 1000)
    response.setHeader("Access-Control-Allow-Headers", wanted);
  response.setHeader("Access-Control-Max-Age", "600");
  response.status(204).end();
}

/** Looks again and again whether an open connection's credential still holds, and cuts it when it does not. */
function lookAgain(
  deps: AppProxyDeps,
  request: IncomingMessage,
  judged: JudgedRequest,
  end: () => void,
): () => void {
  const timer = setInterval(() => {
    confirmAppRequest(deps, request, judged).catch((error: unknown) => {
      if (error instanceof AppError) end();
      else deps.logger.debug({ err: error }, "an app's connection not looked at");
    });
  }, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
