import { randomUUID } from "node:crypto";
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import type { Request, Response } from "express";
import { type AppError, toError } from "../../errors/app-error.js";
import type { Logger } from "../../observability/logger.js";
import type { RequestLimiter } from "../../services/limits/request-limiter.js";
import { readClientAddress } from "../client-address.js";
import type { createHostGuard } from "../host-guard.js";
import { assertAddressMayAsk } from "../limit-requests.js";
import { presentProblem } from "../problem.js";
import { toAppError } from "../to-app-error.js";
import type { AppProxy } from "./app-proxy.js";

/** Lets a server take WebSockets of apps. They come past Express, so what Express asks of all requests is asked here. */
export function serveUpgrades(
  server: Server,
  deps: {
    readonly proxy: AppProxy;
    readonly hostGuard: ReturnType<typeof createHostGuard>;
    readonly logger: Logger;
    /** How often one address may ask; unset: as often as it likes. */
    readonly byAddress?: RequestLimiter | undefined;
    /** The setting `TRUST_PROXY`. */
    readonly knownProxies: number;
  },
): void {
  const { proxy, hostGuard, logger } = deps;
  async function serve(request: IncomingMessage, client: Duplex, head: Buffer): Promise<void> {
    await new Promise<void>((resolve, reject) =>
      hostGuard(request as Request, undefined as unknown as Response, (fault?: unknown) =>
        fault === undefined ? resolve() : reject(toError(fault)),
      ),
    );
    await assertAddressMayAsk(deps.byAddress, readClientAddress(request, deps.knownProxies));
    await proxy.upgrade(request, client, head);
  }
  server.on("upgrade", (request: IncomingMessage, client: Duplex, head: Buffer) => {
    client.on("error", () => client.destroy());
    serve(request, client, head).catch((thrown: unknown) => {
      const error = toAppError(thrown);
      if (error.entry.status >= 500) logger.warn({ err: error.cause ?? error }, "upgrade failed");
      refuse(client, error);
    });
  });
}

function refuse(client: Duplex, error: AppError): void {
  const { status, title } = error.entry;
  const body = JSON.stringify(presentProblem(error, { requestId: randomUUID(), path: "/apps" }));
  const lines = [
    `HTTP/1.1 ${status} ${title}`,
    "Content-Type: application/problem+json; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...Object.entries(error.headers).map(([name, value]) => `${name}: ${value}`),
    "Connection: close",
  ];
  client.end(`${lines.join("\r\n")}\r\n\r\n${body}`);
}
