import type { Request, Response } from "express";
import type { Actor } from "../core/actor.js";
import { AppError, type FieldFault, invalidFields, notFound } from "../errors/app-error.js";
import { isJsonObject } from "../core/json.js";
import { assertCan, canActor } from "../services/access/assert-can.js";
import type { AuditLog } from "../services/audit/audit-log.js";
import type { Principal } from "../services/auth/principals.js";
import type { Authenticate } from "./authenticate.js";
import { toFieldFaults, toStrict } from "./field-faults.js";
import { assertReadable, hasBody, parseBody, readBytes } from "./parse-body.js";
import { findUnfitValues, isUnstorable } from "./parse-json.js";
import { parseQuery } from "./parse-query.js";
import { contextOf } from "./request-context.js";
import type { RouteDefinition, RouteRequest, RouteResponse } from "./route.js";
import { watchStream } from "./watch-stream.js";

/** What serving a route needs. */
export interface ServeDeps {
  readonly authenticate: Authenticate;
  readonly audit: AuditLog;
  readonly maxBodyBytes: number;
}

const NOBODY: Actor = { type: "user", userId: null, name: "anonymous", role: "viewer" };
const JSON_ONLY = ["application/json"] as const;

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
  const principal = isPublic ? { actor: NOBODY, sessionId: null } : await deps.authenticate(request);
  context.userId = principal.actor.userId;
  const controller = new AbortController();
  response.once("close", () => controller.abort(new Error("the client is gone")));
  try {
    const routeRequest = await judge(route, deps, request, principal, controller.signal);
    const answer = await route.handler(routeRequest);
    if (answer.stream && request.method !== "HEAD") {
      if (!isPublic) watchStream(request, response, controller, deps.authenticate, route.permission);
      applyHeaders(response, answer);
      await answer.stream(request, response);
    } else {
      send(response, answer);
    }
  } catch (error) {
    await recordRefusal(route, deps, request, principal, error);
    throw error;
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
  if (route.permission !== "public" && route.permission !== "authenticated") assertCan(actor, route.permission);
  const params = parseParams(route, request);
  await route.locate?.({ params, actor, signal });
  const { query, body } = await parseInput(route, deps, request);
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

function parseParams(route: RouteDefinition, request: Request): unknown {
  const given = Object.values(request.params).flat();
  if (given.some((value) => value.length > 1000 || isUnstorable(value))) throw notFound(route.tag);
  const parsed = route.params?.safeParse({ ...request.params });
  if (parsed && !parsed.success) throw notFound(route.tag);
  return parsed?.data ?? request.params;
}

async function parseInput(route: RouteDefinition, deps: ServeDeps, request: Request) {
  const accepts = route.rawBody ? undefined : (route.accepts ?? JSON_ONLY);
  const takesBody = route.body !== undefined || route.rawBody === true;
  let bytes = Buffer.alloc(0) as Buffer;
  if (hasBody(request)) {
    assertReadable(request, deps.maxBodyBytes, takesBody ? accepts : undefined);
    if (takesBody) bytes = await readBytes(request, deps.maxBodyBytes);
  }
  const query = judgeQuery(route, request.originalUrl);
  const body = route.rawBody
    ? { value: bytes as unknown, faults: [] }
    : judgeBody(route, parseBody(request, bytes, accepts ?? JSON_ONLY));
  const faults = [...query.faults, ...body.faults];
  if (faults.length > 0) throw invalidFields(faults);
  return { query: query.value, body: body.value };
}

interface Judged {
  readonly value: unknown;
  readonly faults: readonly FieldFault[];
}

function judgeQuery(route: RouteDefinition, url: string): Judged {
  const { query, faults } = parseQuery(url);
  if (faults.length > 0) return { value: undefined, faults };
  if (route.query) return judgeValue(route.query, query);
  // pages and probes get all sorts of parameters from the outside; the API names what it does not know
  if (!route.path.startsWith("/api/")) return { value: {}, faults: [] };
  const unknown = Object.keys(query).map((name) => ({ path: `/${name}`, message: "unknown parameter" }));
  return { value: {}, faults: unknown };
}

function judgeBody(route: RouteDefinition, given: unknown): Judged {
  if (!route.body) return { value: undefined, faults: [] };
  if (given === undefined) {
    const parsed = route.body.safeParse(undefined);
    if (parsed.success) return { value: parsed.data, faults: [] };
    return { value: undefined, faults: [{ path: "", message: "a body is required" }] };
  }
  if (!isJsonObject(given)) return { value: undefined, faults: [{ path: "", message: "must be an object" }] };
  const unfit = findUnfitValues(given);
  return unfit.length > 0 ? { value: undefined, faults: unfit } : judgeValue(route.body, given);
}

function judgeValue(schema: NonNullable<RouteDefinition["body"]>, given: unknown): Judged {
  const parsed = toStrict(schema).safeParse(given);
  if (parsed.success) return { value: parsed.data, faults: [] };
  return { value: undefined, faults: toFieldFaults(parsed.error.issues) };
}

function applyHeaders(response: Response, answer: RouteResponse): void {
  for (const [name, value] of Object.entries(answer.headers ?? {})) {
    response.setHeader(name, typeof value === "string" ? value : [...value]);
  }
  response.statusCode = answer.status;
}

function send(response: Response, answer: RouteResponse): void {
  applyHeaders(response, answer);
  if (answer.body === undefined) {
    response.end();
    return;
  }
  const isRaw = response.hasHeader("Content-Type") && (typeof answer.body === "string" || Buffer.isBuffer(answer.body));
  if (!response.hasHeader("Content-Type")) response.setHeader("Content-Type", "application/json; charset=utf-8");
  const bytes = Buffer.from(isRaw ? (answer.body as string) : JSON.stringify(answer.body));
  response.setHeader("Content-Length", bytes.length);
  response.end(response.req.method === "HEAD" ? undefined : bytes);
}

const REFUSALS = new Map([
  [403, "denied"],
  [404, "failed"],
  [409, "failed"],
  [412, "failed"],
  [422, "failed"],
] as const);
/** They change nothing, though they are POSTs. */
const HARMLESS = new Set(["definition:validate", "copilot:use"]);

async function recordRefusal(
  route: RouteDefinition,
  deps: ServeDeps,
  request: Request,
  principal: Principal,
  error: unknown,
): Promise<void> {
  const { permission } = route;
  if (!(error instanceof AppError) || request.method === "GET" || request.method === "HEAD") return;
  if (permission === "public" || HARMLESS.has(permission)) return;
  const outcome = REFUSALS.get(error.entry.status as 403);
  if (!outcome) return;
  const isNamed = permission !== "authenticated";
  const [noun = "", verb = ""] = isNamed ? permission.split(":") : ["session", request.method.toLowerCase()];
  const id = request.params["id"] ?? request.params["name"];
  await deps.audit.record(deps.knexOfAudit, {
    actor: principal.actor,
    origin: contextOf(request).origin,
    action: `${noun}.${verb}`,
    entityType: noun.replaceAll("-", "_"),
    ...(typeof id === "string" ? { entityId: id } : {}),
    after: {
      request: `${request.method} ${route.path}`,
      status: error.entry.status,
      isPermitted: !isNamed || canActor(principal.actor, permission),
      faults: error.faults.slice(0, 20).map((fault) => fault.path),
    },
    outcome,
  });
}
