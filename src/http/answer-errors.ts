import type { NextFunction, Request, Response } from "express";
import { AppError } from "../errors/app-error.js";
import type { Logger } from "../observability/logger.js";
import { presentProblem } from "./problem.js";
import { contextOf } from "./request-context.js";
import { DATA_CSP } from "./security-headers.js";
import { toAppError } from "./to-app-error.js";

/** How long a client may go on sending a body that was refused, before its connection is cut. */
const LINGER_MS = 2000;

/** Express's error handler: every error becomes a problem document; the log gets what the caller must not see. */
export function createErrorAnswer(deps: { readonly logger: Logger }) {
  // Express tells an error handler by its four parameters
  return (thrown: unknown, request: Request, response: Response, _next: NextFunction): void => {
    const error = isBadPath(thrown)
      ? new AppError("NOT_FOUND", "There is nothing at this path")
      : toAppError(thrown);
    const { requestId } = contextOf(request).origin;
    const { status } = error.entry;
    // not `request.destroyed`: that is true as well once a body has been read to its end
    if (status >= 500 && !response.destroyed) {
      deps.logger.error(
        { requestId, route: contextOf(request).route, err: error.cause ?? error },
        "request failed",
      );
    }
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    for (const [name, value] of Object.entries(error.headers)) response.setHeader(name, value);
    response.setHeader("Content-Security-Policy", DATA_CSP);
    response.setHeader("Content-Type", "application/problem+json; charset=utf-8");
    const body = Buffer.from(JSON.stringify(presentProblem(error, { requestId, path: request.path })));
    response.setHeader("Content-Length", body.length);
    response.statusCode = status;
    response.end(request.method === "HEAD" ? undefined : body);
    cutOffUnreadBody(request, response);
  };
}

/** Express refuses percent-encoding that decodes to nothing; such a path names nothing. */
function isBadPath(thrown: unknown): boolean {
  return (
    thrown instanceof URIError || (thrown instanceof Error && "status" in thrown && thrown.status === 400)
  );
}

/** The client got its answer early; what it still sends is dropped, for a moment. */
function cutOffUnreadBody(request: Request, response: Response): void {
  if (request.complete) return;
  response.once("finish", () => {
    request.resume();
    const timer = setTimeout(() => request.socket.destroy(), LINGER_MS);
    timer.unref();
    request.once("end", () => clearTimeout(timer));
    request.once("close", () => clearTimeout(timer));
  });
}
