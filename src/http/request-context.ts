import { randomUUID } from "node:crypto";
import type { Request } from "express";
import type { RequestOrigin } from "../core/actor.js";

const REQUEST_ID = /^[A-Za-z0-9._-]{1,100}$/;

/** What is known of a request from its first moment. */
export interface RequestContext {
  readonly origin: RequestOrigin;
  readonly startedAtMs: number;
  /** The pattern of the route that serves it, for logs and metrics; set when one is found. */
  route: string;
  /** Who asked, once known. */
  userId: string | null;
}

const contexts = new WeakMap<object, RequestContext>();

/** Starts a request's context: the client's request id when it is a plain one, else one of ours. */
export function openRequestContext(request: Request): RequestContext {
  const given = request.headers["x-request-id"];
  const requestId = typeof given === "string" && REQUEST_ID.test(given) ? given : randomUUID();
  const context: RequestContext = {
    origin: { requestId, address: request.ip ?? null },
    startedAtMs: performance.now(),
    route: "unmatched",
    userId: null,
  };
  contexts.set(request, context);
  return context;
}

/** The context of a request that {@link openRequestContext} has seen. */
export function contextOf(request: Request): RequestContext {
  return contexts.get(request) ?? openRequestContext(request);
}
