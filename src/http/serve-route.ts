import type { Request, Response } from "express";
import type { Knex } from "knex";
import type { Actor } from "../core/actor.js";
import { AppError } from "../errors/app-error.js";
import { assertCan } from "../services/access/assert-can.js";
import type { AuditLog } from "../services/audit/audit-log.js";
import type { Principal } from "../services/auth/principals.js";
import type { Authenticator } from "./authenticate.js";
import { assertCallerMayAsk, type RequestLimits } from "./limit-requests.js";
import { parseInput, parseParams } from "./parse-input.js";
import { recordRefusal } from "./record-refusal.js";
import { contextOf } from "./request-context.js";
import type { RouteDefinition, RouteRequest } from "./route.js";
import { applyHeaders, sendAnswer } from "./send-answer.js";
import { watchStream } from "./watch-stream.js";

/** What serving a route needs. */
export interface ServeDeps {
  readonly authenticator: Authenticator;
  readonly audit: AuditLog;
  readonly knex: Knex;
  readonly maxBodyBytes: number;
  readonly limits?: RequestLimits | undefined;
}

const NOBODY: Actor = { type: "user", userId: null, name: "anonymous", role: "viewer" };

/**
 * Serves one request of a route: 401, then 403, then 404, then what is wrong with query and body, all at once;
 * then the handler. A change that is refused leaves one audit entry.
 */
export async function serveRoute(
  route: RouteDefinition,
  deps: ServeDeps,
  request: Request,
  response: Response,
): Promise<void> {
  const context = contextOf(request);
  context.route = route.path;
  const isPublic = route.permission === "public";
  const principal = isPublic ? { actor: NOBODY, sessionId: null } : await authenticate(route, deps, request);
  context.userId = principal.actor.userId;
  if (!isPublic) await assertCallerMayAsk(deps.limits?.byCaller, principal.actor, response);
  const controller = new AbortController();
  response.once("close", () => controller.abort(new Error("the client is gone")));
  try {
    const routeRequest = await judge(route, deps, request, principal, controller.signal);
    const answer = await route.handler(routeRequest);
    if (answer.stream && request.method !== "HEAD") {
      if (!isPublic)
        watchStream({ request, response, controller, principal, route, authenticator: deps.authenticator });
      applyHeaders(response, answer);
      await answer.stream(request, response);
    } else {
      sendAnswer(response, answer);
    }
  } catch (error) {
    await recordRefusal(route, deps, request, principal, error);
    throw error;
  }
}

async function authenticate(
  route: RouteDefinition,
  { authenticator }: ServeDeps,
  request: Request,
): Promise<Principal> {
  try {
    return await authenticator.authenticate(request);
  } catch (error) {
    const isRefusal = error instanceof AppError && error.code === "UNAUTHENTICATED";
    if (!isRefusal || route.resourceMetadata === undefined) throw error;
    const url = `${request.protocol}://${request.headers.host ?? ""}${route.resourceMetadata}`;
    throw new AppError(error.code, error.message, {
      headers: { "WWW-Authenticate": `Bearer realm="headrace", resource_metadata="${url}"` },
      cause: error,
    });
  }
}

async function judge(
  route: RouteDefinition,
  deps: ServeDeps,
  request: Request,
  principal: Principal,
  signal: AbortSignal,
): Promise<RouteRequest> {
  const { actor, sessionId } = principal;
  if (route.permission !== "public" && route.permission !== "authenticated")
    assertCan(actor, route.permission);
  const params = parseParams(route, request);
  await route.locate?.({ params, actor, signal });
  const { query, body } = await parseInput(route, deps.maxBodyBytes, request);
  return {
    params,
    query,
    body,
    actor,
    sessionId,
    origin: contextOf(request).origin,
    header: (name) => {
      const value = request.headers[name.toLowerCase()];
      return typeof value === "string" ? value : value?.join(", ");
    },
    isSecure: request.secure,
    raw: request,
    signal,
  };
}
