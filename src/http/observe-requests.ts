import type { NextFunction, Request, Response } from "express";
import type { Logger } from "../observability/logger.js";
import type { Metrics } from "../observability/metrics.js";
import { contextOf, openRequestContext } from "./request-context.js";

/** Gives each request its id, and when it has been answered (or dropped) counts it and logs one line. */
export function createRequestObserver(deps: { readonly logger: Logger; readonly metrics: Metrics }) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const { origin } = openRequestContext(request);
    response.setHeader("X-Request-Id", origin.requestId);
    response.once("close", () => {
      const { route, startedAtMs, userId } = contextOf(request);
      const durationMs = performance.now() - startedAtMs;
      const { method } = request;
      const status = response.writableFinished ? response.statusCode : 499;
      deps.metrics.httpRequestSeconds.observe({ method, route, status: String(status) }, durationMs / 1000);
      const { requestId, address } = origin;
      // the route's pattern, never the URL: a hook's token is part of it
      const fields = {
        requestId,
        method,
        route,
        status,
        durationMs: Math.round(durationMs),
        userId,
        address,
      };
      deps.logger.info(fields, "request");
    });
    next();
  };
}
