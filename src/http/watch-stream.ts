import type { Request, Response } from "express";
import { AppError } from "../errors/app-error.js";
import { assertCan } from "../services/access/assert-can.js";
import type { Principal } from "../services/auth/principals.js";
import type { Authenticator } from "./authenticate.js";
import type { RouteDefinition } from "./route.js";

const EVERY_MS = 5000;

/**
 * Looks again, every five seconds, whether an open stream's credential still holds, and ends the stream when it
 * does not: signed out, deactivated, demoted. A database that cannot be reached ends nothing.
 */
export function watchStream(stream: {
  readonly request: Request;
  readonly response: Response;
  readonly controller: AbortController;
  readonly principal: Principal;
  readonly route: RouteDefinition;
  readonly authenticator: Authenticator;
}): void {
  const { request, response, route } = stream;
  let isLooking = false;
  async function look(): Promise<void> {
    try {
      const { actor } = await stream.authenticator.confirm(request, stream.principal);
      if (route.permission !== "authenticated" && route.permission !== "public")
        assertCan(actor, route.permission);
    } catch (error) {
      if (!(error instanceof AppError)) return;
      stream.controller.abort(error);
      response.destroy();
    }
  }
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    void look().finally(() => {
      isLooking = false;
    });
  }, EVERY_MS);
  timer.unref();
  response.once("close", () => clearInterval(timer));
}
