import type { NextFunction, Request, Response } from "express";

const REQUEST_HEADERS =
  "Authorization, Content-Type, Idempotency-Key, If-Match, Last-Event-ID, X-Request-Id, X-Headrace-CSRF";
const EXPOSED_HEADERS =
  "Location, X-Request-Id, Idempotency-Replayed, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset";

/** CORS for the listed origins, by bearer token only: credentials (our cookie) are never allowed across origins. */
export function createCors(origins: readonly string[]) {
  const allowed = new Set(origins.map((origin) => origin.replace(/\/$/, "")));
  return (request: Request, response: Response, next: NextFunction): void => {
    if (allowed.size === 0) return next();
    response.vary("Origin");
    const { origin } = request.headers;
    if (origin === undefined || !allowed.has(origin)) return next();
    response.setHeader("Access-Control-Allow-Origin", origin);
    response.setHeader("Access-Control-Expose-Headers", EXPOSED_HEADERS);
    if (request.method !== "OPTIONS" || request.headers["access-control-request-method"] === undefined) {
      return next();
    }
    response.setHeader("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE");
    response.setHeader("Access-Control-Allow-Headers", REQUEST_HEADERS);
    response.setHeader("Access-Control-Max-Age", "600");
    response.status(204).end();
  };
}
