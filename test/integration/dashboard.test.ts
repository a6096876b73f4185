import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { dashboardRoutes } from "../../src/http/routes/dashboard.js";
import { createDashboard } from "../../src/services/dashboard/dashboard.js";
import { createReadiness } from "../../src/services/health/readiness.js";
import { saveRun } from "../support/build-run.js";
import { readSandboxMetric } from "../../src/services/health/sandbox-metric.js";
import { startTestServer, type TestServer } from "../support/test-server.js";

describe("dashboard", () => {
  let server: TestServer;
  let isQueueGone = false;

  beforeAll(async () => {
    server = await startTestServer({
      routes: ({ knex, logger }) => {
        const runQueue = {
          async countJobs() {
            if (isQueueGone) throw new Error("gone");
            return [{ name: "steps-default", waiting: 1, active: 2, delayed: 3, failed: 4 }];
          },
        };
        const checks = [{ name: "postgres", check: async () => await knex.raw("SELECT 1") }];
        const readiness = createReadiness({ checks, onFailure: () => undefined });
        return dashboardRoutes({ dashboard: createDashboard({ knex, runQueue, logger, readiness }) });
      },
    });
    const statuses = [
      "running",
      "queued",
      "queued",
      "waiting",
      "succeeded",
      "succeeded",
      "succeeded",
      "failed",
      "canceled",
    ];
    for (const status of statuses) {
      const started =
        status === "queued" ? {} : { started_at: server.knex.raw("created_at + interval '1 second'") };
      const { id } = await saveRun(server.knex, { run: { status, workflow_name: `w-${status}` } });
      const ended = ["succeeded", "failed"].includes(status)
        ? { finished_at: server.knex.raw("created_at + interval '3 seconds'") }
        : {};
      await server
        .knex("workflow_runs")
        .where("id", id)
        .update({ labels: "{}", ...started, ...ended });
    }
    await server.knex("workflow_definitions").insert({ id: newId(), name: "w" });
  });
  afterAll(async () => await server.close());

  const get = async (path: string) =>
    await server.request({ as: "viewer", path: `/api/v1/dashboard${path}` });
  const addWorker = async (sandboxLevel: string, reasons: string[] = []) => {
    await server.knex("workers").insert({
      id: newId(),
      hostname: "h",
      pid: 1,
      groups: ["default"],
      concurrency: 4,
      running: 1,
      sandbox_level: sandboxLevel,
      sandbox_reasons: reasons,
      version: "1",
      lease_until: server.knex.raw("now() + interval '1 minute'"),
    });
  };

  it("sums up, and still does when the queue is gone", async () => {
    const { status, body } = await get("/summary");
    expect(status).toBe(200);
    expect(body).toEqual({
      runs: { active: 1, queued: 2, waiting: 1, succeeded24h: 3, failed24h: 1, successRate24h: 0.75 },
      mcpDefinitions: 0,
      workflowDefinitions: 1,
      schedules: 0,
      workers: 0,
      queues: [{ name: "steps-default", waiting: 1, active: 2, delayed: 3, failed: 4 }],
    });
    isQueueGone = true;
    await new Promise((resolve) => setTimeout(resolve, 2100));
    expect((await get("/summary")).body).toMatchObject({ queues: null, runs: { active: 1 } });
    isQueueGone = false;
  });

  it("tells how each part does, the weakest sandbox first", async () => {
    const without = (await get("/system-health")).body as unknown as {
      status: string;
      components: { name: string; status: string }[];
    };
    const statusOf = (body: typeof without, name: string) =>
      body.components.find((component) => component.name === name)?.status;
    expect(without.status).toBe("down");
    expect(
      ["postgres", "queues", "workers", "scheduler", "sandbox"].map((name) => statusOf(without, name)),
    ).toEqual(["ok", "ok", "down", "degraded", "unused"]);
    await addWorker("namespace");
    await addWorker("process", ["bubblewrap is missing: apt-get install bubblewrap"]);
    await server.knex("leaders").insert({
      name: "reconciler",
      holder: newId(),
      expires_at: server.knex.raw("now() + interval '1 minute'"),
    });
    const body = (await get("/system-health")).body as unknown as typeof without & {
      sandbox: unknown;
      workers: unknown[];
    };
    expect(body.status).toBe("degraded");
    expect(body.sandbox).toEqual({
      level: "process",
      reasons: ["bubblewrap is missing: apt-get install bubblewrap"],
    });
    expect(body.workers).toHaveLength(2);
    expect(["workers", "scheduler", "sandbox"].map((name) => statusOf(body, name))).toEqual([
      "ok",
      "ok",
      "degraded",
    ]);
    expect(await readSandboxMetric(server.knex)).toMatch(/^headrace_sandbox_level\{level="none"\} \d+$/m);
    expect(await readSandboxMetric(server.knex)).toMatch(/^headrace_sandbox_level\{level="landlock"\} 0$/m);
  });

  it("draws series whose points add up", async () => {
    const now = Date.now();
    const span = `from=${new Date(now - 3600_000).toISOString()}&to=${new Date(now + 60_000).toISOString()}&bucket=5m`;
    const values = async (metric: string) => {
      const { status, body } = await get(`/timeseries?metric=${metric}&${span}`);
      expect(status).toBe(200);
      expect(body["points"]).toHaveLength(13);
      return (body["points"] as unknown as { value: number | null }[]).map((point) => point.value);
    };
    const sum = (points: (number | null)[]) =>
      points.reduce<number>((total, value) => total + (value ?? 0), 0);
    expect(sum(await values("runs"))).toBe(9);
    expect(sum(await values("failures"))).toBe(1);
    expect((await values("durationP95")).filter((value) => value !== null)).toEqual([2000]);
    expect((await values("queueDepth")).at(-1)).toBe(2);
    expect((await get("/timeseries?metric=runs")).body["points"]).toHaveLength(24);
  });

  it.each([
    ["metric=x", "/metric"],
    ["", "/metric"],
    ["metric=runs&from=2026-11-02&to=2026-11-01", "/from"],
    ["metric=runs&from=2025-11-01&to=2026-11-01&bucket=1s", "/bucket"],
    ["metric=runs&bucket=0s", "/bucket"],
    ["metric=runs&from=2026-02-30", "/from"],
  ])("refuses ?%s", async (query, path) => {
    const { status, body } = await get(`/timeseries?${query}`);
    expect(status).toBe(422);
    expect((body["errors"] as unknown as { path: string }[]).map((fault) => fault.path)).toContain(path);
  });

  it("shows recent actions and runs to everybody, but not what is the admins'", async () => {
    const actor = { type: "user", userId: newId(), name: "ann@example.com", role: "editor" } as const;
    const record = async (action: string, entityType: string, outcome: "succeeded" | "denied") =>
      await server.audit.record(server.knex, {
        actor,
        origin: null,
        action,
        entityType,
        entityId: newId(),
        outcome,
      });
    await record("workflow.publish", "workflow_definition", "succeeded");
    await record("user.create", "user", "succeeded");
    await record("mcp.create", "mcp_definition", "denied");
    const items = (await get("/activity?limit=100")).body["items"] as unknown as {
      kind: string;
      action: string;
      at: string;
      label: string | null;
    }[];
    expect(items.filter((item) => item.kind === "action").map((item) => item.action)).toEqual([
      "workflow.publish",
    ]);
    expect(items.filter((item) => item.kind === "run")).toHaveLength(9);
    expect(items.map((item) => item.at)).toEqual([...items.map((item) => item.at)].sort().reverse());
    expect((await get("/activity?limit=2")).body["items"]).toHaveLength(2);
    expect((await get("/activity?limit=101")).status).toBe(422);
    expect((await server.request({ as: null, path: "/api/v1/dashboard/activity" })).status).toBe(401);
  });
});
