import { afterEach, describe, expect, it } from "@jest/globals";
import { loadSettings } from "../../src/config/load-settings.js";
import { openPlatform } from "../../src/container.js";
import { newId } from "../../src/core/ids.js";
import { createLogger } from "../../src/observability/logger.js";
import { buildPlan } from "../support/build-plan.js";
import { eventually } from "../support/eventually.js";
import {
  FAULT_BACKENDS,
  type FaultWorld,
  openFaultWorld,
  percentile,
  recordFigures,
} from "../support/fault-world.js";

const RUNS = Number(process.env["FAULT_RUNS"] ?? 10_000);

describe.each(FAULT_BACKENDS)("F31: a backlog at a restart, queues on $name", ({ name, hasRedis }) => {
  let world: FaultWorld;

  afterEach(async () => await world?.close());

  /** Queued runs whose jobs the queue has lost. */
  async function makeBacklog(): Promise<void> {
    const settings = loadSettings({ environment: { ...world.environment } });
    const logger = createLogger({ level: "error", name: "backlog" });
    const platform = await openPlatform({ settings, databaseUrl: world.postgres.url, logger, role: "test" });
    platform.runQueue.enqueueRuns = () => Promise.resolve();
    const versionId = newId();
    await world.knex("workflow_versions").insert({
      id: versionId,
      name: "backlog",
      version: 1,
      definition: "{}",
      plan: JSON.stringify(buildPlan([{ id: "a" }])),
    });
    const whose = { workflowId: null, workflowName: "backlog", workflowVersion: 1, createdBy: null };
    const rest = { trigger: "api", input: {}, labels: {}, priority: 0, delayMs: 0, createdByName: "test" };
    for (let made = 0; made < RUNS; made += 1000) {
      await Promise.all(
        Array.from({ length: Math.min(1000, RUNS - made) }, () =>
          platform.engine.commit.create({ id: newId(), versionId, ...whose, ...rest }),
        ),
      );
    }
    await platform.close();
    await world.knex("step_runs").update({ available_at: world.knex.raw("now() - interval '1 minute'") });
  }

  it(`${RUNS} queued runs, none of which is on the queue`, async () => {
    world = await openFaultWorld({ hasRedis });
    await makeBacklog();
    const startedAt = performance.now();
    const [api] = await Promise.all([
      world.spawn("api"),
      world.spawn("worker", { WORKER_CONCURRENCY: "16" }),
      world.spawn("worker", { WORKER_CONCURRENCY: "16" }),
      world.spawn("scheduler"),
    ]);
    await eventually("readiness", async () => (await fetch(`${api.address}/health/ready`)).status === 200);
    const readyMs = Math.round(performance.now() - startedAt);
    const reads: number[] = [];
    const published = new Map<string, number>();
    for (const until = performance.now() + 30_000; performance.now() < until; ) {
      reads.push((await world.call(api.address, "GET", "/api/v1/workflow-runs?limit=20")).tookMs);
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    const rows: { at: Date; n: string }[] = await world
      .knex("step_runs")
      .whereNotNull("checked_at")
      .select(world.knex.raw("date_trunc('second', checked_at) AS at"), world.knex.raw("count(*) AS n"))
      .groupByRaw("1");
    for (const row of rows) published.set(String(row.at), Number(row.n));
    const most = Math.max(...published.values());
    await eventually("the end of all", async () => (await world.statuses())["succeeded"] === RUNS, 240_000);
    const endedMs = Math.round(performance.now() - startedAt);
    const p99 = Math.round(percentile(reads, 0.99));
    recordFigures(
      "F31",
      name,
      `ready after ${readyMs} ms, at most ${most} published a second, reads p99 ${p99} ms of ${reads.length}, all ${RUNS} ended after ${endedMs} ms`,
    );
    expect(readyMs).toBeLessThan(20_000);
    expect(most).toBeLessThanOrEqual(500);
    expect(p99).toBeLessThanOrEqual(500);
  }, 400_000);
});
