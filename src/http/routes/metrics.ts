import { AppError } from "../../errors/app-error.js";
import type { Metrics } from "../../observability/metrics.js";
import { opensMetrics } from "../../observability/metrics-token.js";
import { defineRoute, type RouteDefinition } from "../route.js";

/** `/metrics` for Prometheus. With a token it opens to that token alone, to no user's. */
export function metricsRoutes(deps: {
  readonly metrics: Metrics;
  readonly metricsToken: string | undefined;
  /** More text in Prometheus's format, the queues' for one. */
  readonly collectMore?: () => Promise<string>;
}): RouteDefinition[] {
  const { registry } = deps.metrics;
  return [
    defineRoute({
      method: "get",
      path: "/metrics",
      permission: "public",
      summary: "Metrics of this process, for Prometheus; guarded by METRICS_TOKEN when it is set",
      tag: "Operations",
      answers: {
        200: { description: "Prometheus text", contentType: "text/plain" },
        401: { description: "METRICS_TOKEN is set, and was not sent" },
      },
      async handler({ header }) {
        if (!opensMetrics(header("authorization"), deps.metricsToken)) throw refused();
        const text = (await registry.metrics()) + ((await deps.collectMore?.()) ?? "");
        return { status: 200, headers: { "Content-Type": registry.contentType }, body: text };
      },
    }),
  ];
}

function refused(): AppError {
  return new AppError("UNAUTHENTICATED", "Send METRICS_TOKEN as Authorization: Bearer …", {
    headers: { "WWW-Authenticate": 'Bearer realm="metrics"' },
  });
}
