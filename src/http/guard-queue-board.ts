import type { NextFunction, Request, Response, Router } from "express";
import express from "express";
import type { Knex } from "knex";
import { AppError } from "../errors/app-error.js";
import { assertCan } from "../services/access/assert-can.js";
import type { AuditLog } from "../services/audit/audit-log.js";
import type { Authenticator } from "./authenticate.js";
import { assertCallerMayAsk, type RequestLimits } from "./limit-requests.js";
import { contextOf } from "./request-context.js";
import { PAGE_CSP } from "./security-headers.js";

/** Where Bull Board lives. */
export const QUEUE_BOARD_PATH = "/admin/queues";

/**
 * Puts Bull Board behind `queue:read`. It is for looking only: whatever the board itself would allow, a method other
 * than GET is 405 here and leaves an audit entry. Browsers without a session are sent to sign in.
 */
export function guardQueueBoard(deps: {
  readonly board: Router;
  readonly authenticator: Authenticator;
  readonly audit: AuditLog;
  readonly knex: Knex;
  readonly limits?: RequestLimits | undefined;
}): Router {
  const { authenticator, audit, knex } = deps;
  async function guard(request: Request, response: Response, next: NextFunction): Promise<void> {
    const context = contextOf(request);
    context.route = QUEUE_BOARD_PATH;
    try {
      const { actor } = await authenticator.authenticate(request);
      context.userId = actor.userId;
      await assertCallerMayAsk(deps.limits?.byCaller, actor, response);
      assertCan(actor, "queue:read");
      if (request.method !== "GET" && request.method !== "HEAD") {
        const after = { request: `${request.method} ${QUEUE_BOARD_PATH}` };
        const what = { action: "queue.change", entityType: "queue", after, outcome: "denied" } as const;
        await audit.record(knex, { actor, origin: context.origin, ...what });
        throw new AppError("METHOD_NOT_ALLOWED", "The board is read-only", {
          headers: { Allow: "GET, HEAD" },
        });
      }
    } catch (error) {
      if (!isBrowserWithoutSession(request, error)) throw error;
      response.redirect(302, `/sign-in?next=${encodeURIComponent(QUEUE_BOARD_PATH)}`);
      return;
    }
    response.setHeader("Content-Security-Policy", PAGE_CSP);
    next();
  }
  const router = express.Router({ caseSensitive: true });
  router.use(guard, deps.board);
  return router;
}

function isBrowserWithoutSession(request: Request, error: unknown): boolean {
  const asksForPage = request.method === "GET" && (request.headers.accept ?? "").includes("text/html");
  return asksForPage && error instanceof AppError && error.code === "UNAUTHENTICATED";
}
