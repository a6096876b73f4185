import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { LANE_WINDOW, RUN_WINDOW } from "../../src/core/queue-order.js";
import { ageSteps } from "../../src/services/engine/age-steps.js";
import { buildPlan } from "../support/build-plan.js";
import { BACKENDS, type EngineHarness, openEngineHarness } from "../support/engine-harness.js";

const CONCURRENCY = 4;
const NEVER = 1e6;

/** Runs are enqueued before there is a worker, so that who comes first depends on nothing but the queue's order. */
describe.each(BACKENDS)("fairness on the step queue on $name", ({ redisUrl }) => {
  let harness: EngineHarness;

  beforeEach(async () => {
    harness = await openEngineHarness(redisUrl);
  });
  afterEach(async () => harness?.close());

  const saveWide = async (width: number) =>
    await harness.saveVersion(buildPlan(Array.from({ length: width }, (_, index) => ({ id: `s${index}` }))));

  async function start(
    versionId: string,
    more: { priority?: number; rateKey?: string } = {},
  ): Promise<string> {
    const { priority = 0, rateKey } = more;
    const id = newId();
    await harness.platform.engine.commit.create({
      id,
      workflowId: null,
      versionId,
      workflowName: "test",
      workflowVersion: 1,
      trigger: "api",
      input: {},
      labels: {},
      priority,
      delayMs: 0,
      createdBy: null,
      createdByName: "test",
      ...(rateKey === undefined ? {} : { admission: { rateKey } }),
    });
    return id;
  }

  const startMany = async (count: number, ...args: Parameters<typeof start>) =>
    await Promise.all(Array.from({ length: count }, async () => await start(...args)));

  /** How many steps of these runs had started before the first of another. */
  async function startedBefore(runIds: readonly string[], other: string): Promise<number> {
    const { rows } = await harness.platform.knex.raw<{ rows: { count: number }[] }>(
      `SELECT count(*)::int AS count FROM step_runs WHERE run_id = ANY (?::uuid[])
         AND started_at < (SELECT min(started_at) FROM step_runs WHERE run_id = ?)`,
      [[...runIds], other],
    );
    return rows[0]?.count ?? Number.NaN;
  }

  /** The runs of one step each, in the order in which they started. */
  async function orderOf(runIds: readonly string[]): Promise<string[]> {
    for (const runId of runIds) await harness.waitForEnd(runId);
    const rows = await harness.platform
      .knex("step_runs")
      .whereIn("run_id", [...runIds])
      .orderBy("started_at")
      .select("run_id");
    return rows.map((row: { run_id: string }) => row.run_id);
  }

  const age = async (aged: number, urgent: number) => await ageSteps(harness.platform, { aged, urgent });

  it("begins a small run within seconds while five thousand steps of another workflow wait", async () => {
    const large = await start(await saveWide(5000));
    const small = await start(await saveWide(1));
    await harness.startWorker(["default"], CONCURRENCY);
    const startedAt = performance.now();
    await harness.waitForEnd(small, 10_000);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(await startedBefore([large], small)).toBeLessThanOrEqual(RUN_WINDOW + CONCURRENCY);
    const { step_states } = await harness.platform.knex("workflow_runs").where("id", large).first();
    expect(step_states).toMatch(/q/);
  }, 60_000);

  it("begins a small run of the same workflow beside a large one's backlog", async () => {
    const versionId = await saveWide(1000);
    const large = await start(versionId);
    const other = await start(versionId);
    await harness.startWorker(["default"], CONCURRENCY);
    await harness.waitForEnd(other, 60_000);
    // they take turns from the first rank on
    expect(await startedBefore([large], other)).toBeLessThanOrEqual(2 * RUN_WINDOW + CONCURRENCY);
  }, 90_000);

  it("does not let many runs of one workflow, or of one key, stand in the way of another's", async () => {
    const versionId = await saveWide(1);
    const flood = await startMany(1000, versionId, { rateKey: "large" });
    const ofKey = await start(versionId, { rateKey: "small" });
    const ofWorkflow = await start(await saveWide(1));
    await harness.startWorker(["default"], CONCURRENCY);
    await harness.waitForEnd(ofWorkflow);
    await harness.waitForEnd(ofKey);
    expect(await startedBefore(flood, ofKey)).toBeLessThanOrEqual(LANE_WINDOW + 2 * CONCURRENCY);
    expect(await startedBefore(flood, ofWorkflow)).toBeLessThanOrEqual(LANE_WINDOW + 2 * CONCURRENCY);
  }, 60_000);

  it("runs all of a backlog, each step once", async () => {
    const runs = [await start(await saveWide(300)), ...(await startMany(200, await saveWide(1)))];
    await harness.startWorker(["default"], 16);
    for (const runId of runs)
      expect(await harness.waitForEnd(runId, 60_000)).toMatchObject({ status: "succeeded" });
    const attempts = await harness.platform.knex("step_attempts").count("* as count").first();
    expect(Number(attempts?.["count"])).toBe(0);
    expect(await harness.platform.runQueue.countJobs()).toEqual(
      expect.arrayContaining([expect.objectContaining({ name: "steps-default", waiting: 0 })]),
    );
  }, 120_000);

  it("takes priorities in their order, within backlogs too", async () => {
    const low = await start(await saveWide(1), { priority: -5 });
    const flood = await startMany(200, await saveWide(1));
    const urgentFlood = await startMany(200, await saveWide(1), { priority: 5 });
    const plain = await start(await saveWide(1));
    const urgent = await start(await saveWide(1), { priority: 1 });
    await harness.startWorker(["default"], 1);
    const order = await orderOf([low, ...flood, ...urgentFlood, plain, urgent]);
    const place = (runId: string) => order.indexOf(runId);
    expect(place(urgent)).toBe(0);
    expect(place(low)).toBe(order.length - 1);
    // an urgent backlog waits behind what is plain, and comes before a backlog of less
    expect(place(plain)).toBeLessThanOrEqual(2 * LANE_WINDOW + 1);
    expect(place(urgentFlood.at(-1) ?? "")).toBeLessThan(place(flood.at(-1) ?? ""));
  }, 90_000);

  it("lets what has waited for long go before what came later, four of a lane at a time", async () => {
    const late = await saveWide(1);
    const low = await startMany(6, late, { priority: -1000 });
    const before = await startMany(10, await saveWide(1));
    // the low ones and four plain ones, which are where they should be
    expect(await age(0, NEVER)).toBe(8);
    expect(await age(0, NEVER)).toBe(0);
    const after = await startMany(10, await saveWide(1));
    await harness.startWorker(["default"], 1);
    const order = await orderOf([...low, ...before, ...after]);
    const places = low.map((runId) => order.indexOf(runId)).sort((one, other) => one - other);
    expect(places).toEqual([10, 11, 12, 13, 24, 25]);
  }, 60_000);

  it("lets what aged and still waits go before urgent steps", async () => {
    const low = await start(await saveWide(1), { priority: -1 });
    const urgent = await startMany(20, await saveWide(1), { priority: 9 });
    await age(0, NEVER);
    expect(await age(0, 0)).toBeGreaterThan(0);
    await harness.startWorker(["default"], 1);
    const order = await orderOf([low, ...urgent]);
    expect(order.indexOf(low)).toBeLessThan(5);
  }, 60_000);
});
