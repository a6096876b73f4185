import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { buildPlan } from "../support/build-plan.js";
import { BACKENDS, type EngineHarness, openEngineHarness } from "../support/engine-harness.js";

const BACKLOG = 3000;

describe.each(BACKENDS)("fairness between workflows, on $name", ({ redisUrl }) => {
  let harness: EngineHarness;

  beforeAll(async () => {
    harness = await openEngineHarness(redisUrl);
  });
  afterAll(async () => harness?.close());

  it(`lets a run of another workflow begin before a backlog of ${BACKLOG} steps`, async () => {
    const big = await harness.saveVersion(
      buildPlan([{ id: "each", forEach: { input: "/items" }, maxParallel: 10_000 }]),
    );
    const flood = await harness.saveVersion(buildPlan([{ id: "one" }]));
    const small = await harness.saveVersion(buildPlan([{ id: "only" }]));
    // one run with very many steps, and very many runs with one step
    const items = Array.from({ length: BACKLOG / 2 }, (_, index) => index);
    const bigRun = await harness.startRun(big, { items });
    const { engine, knex } = harness.platform;
    await engine.commit.apply(bigRun, big, {
      kind: "expand",
      stepIndex: 0,
      itemIndex: -1,
      attempt: 1,
      items,
    });
    for (let started = 0; started < BACKLOG / 2; started += 100)
      await Promise.all(Array.from({ length: 100 }, async () => await harness.startRun(flood)));
    const smallRun = await harness.startRun(small);
    await harness.startWorker(["default"], 4);
    await harness.waitForEnd(smallRun, 150_000);
    const rows = await knex("run_events as e")
      .where("e.type", "step.started")
      .where("e.at", "<", knex("run_events").where({ run_id: smallRun, type: "step.started" }).select("at"))
      .count("* as before");
    const before = Number(rows[0]?.["before"]);
    process.stdout.write(`fairness: ${before} of ${BACKLOG} steps began before the small run\n`);
    expect(before).toBeLessThan(BACKLOG / 3);
  }, 200_000);
});
