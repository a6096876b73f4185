import { STATUS_CODES } from "node:http";
import type { JsonObject } from "../../core/json.js";
import { parseRetryAfterMs } from "../../outgoing/retry-after.js";
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
  const retryAfterSeconds = toRetryAfterSeconds(given.retryAfter);
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

/** Seconds that a `Retry-After` asks for, at most a day. */
function toRetryAfterSeconds(value: string | undefined): number | undefined {
  const milliseconds = parseRetryAfterMs(value);
  return milliseconds === undefined
    ? undefined
    : Math.min(Math.ceil(milliseconds / 1_000), MOST_RETRY_AFTER_SECONDS);
}
