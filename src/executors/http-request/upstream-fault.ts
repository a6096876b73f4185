import { STATUS_CODES } from "node:http";
import type { JsonObject } from "../../core/json.js";
import { ExecutionError } from "../types.js";

const MOST_RETRY_AFTER_SECONDS = 86_400;
const RETRYABLE_STATUSES = new Set([408, 425, 429]);

/** What the system's and undici's codes mean. The messages that come with them may hold addresses. */
const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: "the host is not known",
  EAI_AGAIN: "the host's name cannot be resolved at present",
  ETIMEOUT: "the host's name was not resolved in time",
  ECONNREFUSED: "the connection was refused",
  ECONNRESET: "the connection was lost",
  EPIPE: "the connection was lost",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the network cannot be reached",
  ETIMEDOUT: "no connection was made in time",
  UND_ERR_CONNECT_TIMEOUT: "no connection was made in time",
  UND_ERR_SOCKET: "the connection was lost",
  UND_ERR_HEADERS_OVERFLOW: "the response's headers are too large",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "the response is shorter or longer than it says",
  Z_DATA_ERROR: "the response cannot be decompressed",
  Z_BUF_ERROR: "the compressed response is cut short",
};

/** The error of an answer that makes no sense and would not the next time. */
export function upstreamFault(what: string, details?: JsonObject): ExecutionError {
  return new ExecutionError("upstream_error", `The server ${what}`, {
    retryable: false,
    ...(details && { details }),
  });
}

/** The error of an answer with a status that was not expected. */
export function statusFault(
  status: number,
  given: { readonly body: string; readonly retryAfter: string | undefined },
): ExecutionError {
  const retryAfterSeconds = parseRetryAfter(given.retryAfter);
  const name = STATUS_CODES[status];
  return new ExecutionError("upstream_error", `The server answered ${status}${name ? ` ${name}` : ""}`, {
    details: { status, body: given.body, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) },
    retryable: status >= 500 || RETRYABLE_STATUSES.has(status),
  });
}

/** The error of an exchange that broke: no connection, a broken one, bytes that are no HTTP. Worth a retry. */
export function networkFault(error: unknown, origin: string): ExecutionError {
  const code = codeOf(error) ?? "";
  const isCertificate = /CERT|TLS|SSL|SELF_SIGNED|ISSUER/.test(code);
  const reason =
    REASONS[code] ??
    (isCertificate
      ? "its certificate or TLS is not accepted"
      : (error as Error | undefined)?.name === "HTTPParserError"
        ? "it did not answer in HTTP"
        : "the exchange failed");
  return new ExecutionError("upstream_error", `${origin}: ${reason}${code ? ` (${code})` : ""}`, {
    details: { ...(code && { code }) },
    cause: error,
  });
}

function codeOf(error: unknown): string | undefined {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  if (typeof code === "string") return code;
  return cause === undefined ? undefined : codeOf(cause);
}

/** Seconds that a `Retry-After` asks for, given as such or as a date. */
function parseRetryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const seconds = /^\d{1,10}$/.test(value)
    ? Number(value)
    : Math.ceil((Date.parse(value) - Date.now()) / 1_000);
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), MOST_RETRY_AFTER_SECONDS);
}
