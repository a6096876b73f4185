import type { Request, Response } from "express";
import { AppError, toError } from "../errors/app-error.js";
import { assertCan } from "../services/access/assert-can.js";
import type { Authenticate } from "./authenticate.js";
import type { RouteDefinition } from "./route.js";

const EVERY_MS = 5000;

/**
 * Looks again, every five seconds, whether an open stream's credential still holds, and ends the stream when it
 * does not: signed out, deactivated, demoted, expired. A database that cannot be reached ends nothing.
 */
export function watchStream(
  request: Request,
  response: Response,
  controller: AbortController,
  authenticate: Authenticate,
  permission: RouteDefinition["permission"],
): void {
  let isLooking = false;
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    authenticate(request)
      .then(({ actor }) => {
        if (permission !== "authenticated" && permission !== "public") assertCan(actor, permission);
      })
      .catch((error: unknown) => {
        if (!(error instanceof AppError)) return;
        controller.abort(toError(error));
        response.destroy();
      })
      .finally(() => {
        isLooking = false;
      });
  }, EVERY_MS);
  timer.unref();
  response.once("close", () => clearInterval(timer));
}
