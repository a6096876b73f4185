import type { NextFunction, Request, Response } from "express";
import helmet from "helmet";

/** For answers that are data: nothing may be loaded, run or framed. */
export const DATA_CSP =
  "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

/** For our own pages: everything from here, no inline script. */
export const PAGE_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "manifest-src 'self'",
  "worker-src 'self' blob:",
  "frame-src 'self'",
  "base-uri 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join("; ");

/** Security headers on every answer. Routes that serve pages replace the Content-Security-Policy. */
export function createSecurityHeaders() {
  const others = helmet({
    contentSecurityPolicy: false,
    frameguard: { action: "deny" },
    referrerPolicy: { policy: "no-referrer" },
  });
  return (request: Request, response: Response, next: NextFunction): void => {
    response.setHeader("Content-Security-Policy", DATA_CSP);
    response.setHeader("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()");
    response.setHeader("Cache-Control", "no-store");
    others(request, response, next);
  };
}
