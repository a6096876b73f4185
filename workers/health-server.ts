import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Metrics } from "../src/observability/metrics.js";
import { opensMetrics } from "../src/observability/metrics-token.js";
import type { Readiness } from "../src/services/health/readiness.js";

/** A worker's own answer to whoever watches over its process. */
export interface HealthServer {
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Serves `GET /health/live` (200 while the process runs), `GET /health/ready` (200, or 503 with what is missing), and
 * `GET /metrics` of this process, to the token alone where there is one.
 * @throws Error when the port is taken.
 */
export async function startHealthServer(options: {
  host: string;
  port: number;
  readiness: () => Promise<Readiness>;
  registry: Metrics["registry"];
  metricsToken: string | undefined;
}): Promise<HealthServer> {
  const { host, port, readiness, registry, metricsToken } = options;
  const server = createServer((request, response) => {
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { "content-type": "application/json; charset=utf-8" });
      response.end(JSON.stringify(body));
    };
    request.resume();
    if (request.url === "/health/live") return answer(200, { status: "ok" });
    if (request.url === "/metrics") {
      if (!opensMetrics(request.headers.authorization, metricsToken))
        return answer(401, { status: "METRICS_TOKEN is not what was sent" });
      registry.metrics().then(
        (text) => response.writeHead(200, { "content-type": registry.contentType }).end(text),
        () => answer(500, { status: "metrics cannot be read" }),
      );
      return;
    }
    if (request.url !== "/health/ready") return answer(404, { status: "not found" });
    readiness().then(
      (found) => answer(found.ready ? 200 : 503, found),
      () => answer(503, { ready: false }),
    );
  });
  server.requestTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const { port: taken } = server.address() as AddressInfo;
  return {
    address: `http://${host.includes(":") ? `[${host}]` : host}:${taken}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
