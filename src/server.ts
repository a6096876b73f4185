import { randomUUID } from "node:crypto";
import { createServer, type RequestListener, type Server } from "node:http";
import type { Duplex } from "node:stream";
import { AppError } from "./errors/app-error.js";
import type { ErrorCode } from "./errors/error-codes.js";
import { presentProblem } from "./http/problem.js";
import { DATA_CSP } from "./http/security-headers.js";

/** Limits of a server; the defaults suit the internet, tests shorten them. */
export interface ServerLimits {
  /** Time for a whole request to arrive. */
  readonly requestTimeoutMs?: number;
  /** Time for its headers to arrive. */
  readonly headersTimeoutMs?: number;
}

// above what a browser or a long query sends, below what hurts
const MAX_HEADER_BYTES = 32 * 1024;

/**
 * An HTTP server over an app, not yet listening: it cuts off slow and endless requests, and answers what Node's
 * parser refuses with a problem document too.
 */
export function createHttpServer(app: RequestListener, limits: ServerLimits = {}): Server {
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      requestTimeout: limits.requestTimeoutMs ?? 45_000,
      headersTimeout: limits.headersTimeoutMs ?? 15_000,
      keepAliveTimeout: 65_000,
      connectionsCheckingInterval: 2000,
    },
    app,
  );
  // the app counts headers; Node would drop those above its limit without a word
  server.maxHeadersCount = 0;
  server.on("clientError", answerClientError);
  return server;
}

const CODES: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  HPE_HEADER_OVERFLOW: ["HEADERS_TOO_LARGE", `Headers may have ${MAX_HEADER_BYTES} bytes at most`],
  ERR_HTTP_REQUEST_TIMEOUT: ["REQUEST_TIMEOUT", "The request took too long to arrive"],
};

function answerClientError(fault: NodeJS.ErrnoException, socket: Duplex): void {
  if (fault.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [code, detail] = CODES[fault.code ?? ""] ?? (["MALFORMED_JSON", "This is not HTTP"] as const);
  const requestId = randomUUID();
  const problem = presentProblem(new AppError(code, detail), { requestId, path: "/" });
  const body = JSON.stringify(problem);
  const lines = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    "Content-Type: application/problem+json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    `Content-Security-Policy: ${DATA_CSP}`,
    "X-Content-Type-Options: nosniff",
    "Cache-Control: no-store",
    "Connection: close",
  ];
  socket.end(`${lines.join("\r\n")}\r\n\r\n${body}`);
  // a client that goes on sending must not keep the socket
  setTimeout(() => socket.destroy(), 1000).unref();
}
