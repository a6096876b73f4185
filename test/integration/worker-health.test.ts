import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createMetrics } from "../../src/observability/metrics.js";
import { type HealthServer, startHealthServer } from "../../workers/health-server.js";

describe("a worker's own port", () => {
  let server: HealthServer;
  let isReady = true;
  const metrics = createMetrics({ collectDefaults: false });
  const get = async (path: string, authorization?: string) => {
    const answer = await fetch(`${server.address}${path}`, {
      headers: authorization === undefined ? {} : { authorization },
    });
    return { status: answer.status, text: await answer.text() };
  };

  beforeAll(async () => {
    server = await startHealthServer({
      host: "127.0.0.1",
      port: 0,
      readiness: () => Promise.resolve({ ready: isReady, checks: [], missing: isReady ? [] : ["queue"] }),
      registry: metrics.registry,
      metricsToken: "scrape",
    });
  });
  afterAll(async () => await server.close());

  it("tells whether it lives and is ready", async () => {
    expect(await get("/health/live")).toMatchObject({ status: 200 });
    expect(await get("/health/ready")).toMatchObject({ status: 200 });
    isReady = false;
    expect(await get("/health/ready")).toMatchObject({ status: 503, text: expect.stringContaining("queue") });
    expect(await get("/elsewhere")).toMatchObject({ status: 404 });
  });

  it("gives its metrics to the token alone", async () => {
    metrics.staleWritesTotal.inc(3);
    const found = await get("/metrics", "Bearer scrape");
    expect(found.status).toBe(200);
    expect(found.text).toContain("headrace_stale_writes_total 3");
    for (const wrong of [undefined, "Bearer other", "scrape"]) {
      expect(await get("/metrics", wrong)).toMatchObject({
        status: 401,
        text: expect.not.stringContaining("stale"),
      });
    }
  });
});
