import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { BuiltinName } from "../../src/core/plan.js";
import { startWorker, type Worker } from "../../workers/worker.js";
import { buildPlan } from "../support/build-plan.js";
import { BACKENDS, type EngineHarness, openEngineHarness, saveScript } from "../support/engine-harness.js";
import { eventually } from "../support/eventually.js";

const RUNS = 30;

/** F29: the worker of the version before lacks a type of components that the one of this version has. */
describe.each(BACKENDS)("workers of two versions, queues on $name", ({ redisUrl }) => {
  let harness: EngineHarness;
  let old: Worker;

  beforeAll(async () => {
    harness = await openEngineHarness(redisUrl);
    const knownBefore = { groups: ["default"], mcpTypes: ["python_script"] as const };
    old = await startWorker(harness.platform, { ...knownBefore, concurrency: 4, version: "before" });
  });
  afterAll(async () => {
    await old?.close(0);
    await harness?.close();
  });

  async function startRuns(count: number, versionId: string): Promise<string[]> {
    return await Promise.all(Array.from({ length: count }, () => harness.startRun(versionId)));
  }

  it("leaves a step that it does not know queued and uncharged, and goes on with the others", async () => {
    const { knex } = harness.platform;
    const target = await saveScript(
      harness.platform,
      "typescript_script",
      "export default () => ({ isNew: true });",
    );
    const typescript = await harness.saveVersion(
      buildPlan([{ id: "a" }, { id: "new", target, after: ["a"] }]),
    );
    const name = "of-tomorrow" as BuiltinName;
    const builtin = await harness.saveVersion(
      buildPlan([{ id: "tomorrow", target: { kind: "builtin", name } }]),
    );
    const plain = await harness.saveVersion(buildPlan([{ id: "a" }, { id: "b", after: ["a"] }]));
    const [left, left2] = [await harness.startRun(typescript), await harness.startRun(builtin)];
    const known = await startRuns(RUNS / 2, plain);
    for (const id of known) expect((await harness.waitForEnd(id)).status).toBe("succeeded");
    await eventually("the known step of the other run", async () => {
      const row = await knex("step_runs").first("status").where({ run_id: left, step_id: "a" });
      return row.status === "succeeded";
    });
    const waiting = await knex("step_runs").where({ status: "queued" }).whereIn("run_id", [left, left2]);
    expect(waiting.map((row) => row.step_id).sort()).toEqual(["new", "tomorrow"]);
    for (const row of waiting) expect(row).toMatchObject({ attempt: 1, worker_id: null, error: null });

    const current = await harness.startWorker(["default"], 4);
    const both = await startRuns(RUNS / 2, typescript);
    for (const id of [left, ...both])
      expect(await harness.waitForEnd(id, 60_000)).toMatchObject({
        status: "succeeded",
        output: { new: { isNew: true } },
      });
    const steps = await knex("step_runs").where("step_id", "new");
    expect(new Set(steps.map((row) => row.worker_id))).toEqual(new Set([current.id]));
    expect(new Set(steps.map((row) => row.attempt))).toEqual(new Set([1]));
    expect(await knex("step_attempts")).toEqual([]);
    // nobody knows this one yet
    expect(await knex("step_runs").first().where("run_id", left2)).toMatchObject({
      status: "queued",
      attempt: 1,
    });
  }, 120_000);
});
