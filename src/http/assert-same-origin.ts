import type { IncomingMessage } from "node:http";
import { AppError } from "../errors/app-error.js";

/** The header that a form of another site cannot send without asking first. */
const CSRF_HEADER = "x-headrace-csrf";

/**
 * Demands that a change which a cookie vouches for comes from our own pages.
 * @throws AppError FORBIDDEN without the CSRF header, when `Origin` is missing, `null` or another one, or when the
 * browser itself says that it comes from elsewhere.
 */
export function assertSameOrigin(request: IncomingMessage, isSecure: boolean): void {
  if (request.headers[CSRF_HEADER] !== "1") {
    throw new AppError("FORBIDDEN", "A change by cookie needs the header X-Headrace-CSRF: 1");
  }
  const own = `${isSecure ? "https" : "http"}://${request.headers.host ?? ""}`.toLowerCase();
  const site = request.headers["sec-fetch-site"] ?? "same-origin";
  if (request.headers.origin?.toLowerCase() !== own || site !== "same-origin") {
    throw new AppError("FORBIDDEN", "A change by cookie must come from this server's own origin");
  }
}
