import type { NextFunction, Request, Response } from "express";
import type { Settings } from "../config/settings-schema.js";
import { AppError } from "../errors/app-error.js";

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/**
 * Refuses a foreign `Host` on a server that listens on loopback: a page of the internet whose name was made to
 * resolve to 127.0.0.1 (DNS rebinding) would else be same-origin with the API. Behind proxies they choose the Host.
 */
export function createHostGuard(settings: Pick<Settings, "HOST" | "TRUST_PROXY" | "APPS_URL">) {
  const isGuarded = ["127.0.0.1", "::1", "localhost"].includes(settings.HOST) && settings.TRUST_PROXY === 0;
  const appsHost = settings.APPS_URL === undefined ? undefined : new URL(settings.APPS_URL).hostname;
  return (request: Request, _response: Response, next: NextFunction): void => {
    const host = request.headers.host;
    if (!isGuarded || host === undefined) return next();
    // Node.js hands over the first of several, a proxy in between may have judged by another one
    if ((request.headersDistinct["host"]?.length ?? 0) > 1)
      return next(new AppError("MISDIRECTED", "The request names more than one Host"));
    const name = host.replace(/:\d+$/, "").toLowerCase();
    if (LOOPBACK.has(name) || name === appsHost) return next();
    next(new AppError("MISDIRECTED", "This server answers to localhost only"));
  };
}
