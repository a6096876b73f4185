import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { systemActor } from "../../src/core/actor.js";
import type { RunPlan } from "../../src/core/plan.js";
import { createBulkOperations } from "../../src/services/bulk-operations/bulk-operations.js";
import { startRetention } from "../../workers/retention-task.js";
import { buildPlan } from "../support/build-plan.js";
import { type EngineHarness, openEngineHarness } from "../support/engine-harness.js";
import { eventually } from "../support/eventually.js";
import { idOf, monthsAgo } from "../support/old-ids.js";

/** Retention and bulk operations as they run in a worker, beside the engine. */
describe("care of runs beside a running engine", () => {
  let harness: EngineHarness;

  beforeAll(async () => {
    harness = await openEngineHarness(undefined);
  });
  afterAll(async () => await harness.close());

  const chain: RunPlan = buildPlan([{ id: "a" }, { id: "b", after: ["a"] }]);

  it("removes old runs when a process starts; those that go on are finished afterwards", async () => {
    const { platform } = harness;
    const { knex, engine } = platform;
    const old = monthsAgo(3);
    await knex.raw("SELECT create_run_partitions(?, 1)", [old]);
    const versionId = await harness.saveVersion(chain);
    const create = async () => {
      const run = { id: idOf(old), workflowId: null, versionId, workflowName: "test", workflowVersion: 1 };
      const rest = { trigger: "api", input: {}, labels: {}, priority: 0, delayMs: 0 };
      await engine.commit.create({ ...run, ...rest, createdBy: null, createdByName: "test" });
      return run.id;
    };
    const [live, ended] = [await create(), await create()];
    await knex("workflow_runs").where("id", ended).update({ status: "canceled", finished_at: old });
    const task = startRetention({ ...platform, settings: { ...platform.settings, RETENTION_DAYS: 30 } });
    await eventually("the ended run has gone", async () => {
      return (await knex("workflow_runs").first("id").where("id", ended)) === undefined;
    });
    await task.stop();
    await harness.startWorker();
    expect(await harness.waitForEnd(live)).toMatchObject({ status: "succeeded", step_states: "ss" });
  });

  it("works bulk operations off in whichever worker leads them, with the engine's own commands", async () => {
    const { knex, audit } = harness.platform;
    const bulk = createBulkOperations({ knex, audit });
    const origin = { requestId: "test", address: null };
    const versionId = await harness.saveVersion(chain);
    const runs = await Promise.all(Array.from({ length: 5 }, () => harness.startRun(versionId, { n: 1 })));
    await Promise.all(runs.map((id) => harness.waitForEnd(id)));
    const order = { filter: { ids: runs }, ratePerSecond: 200, limit: 10_000 };
    const ask = async (action: "replay" | "cancel", ids = runs) => {
      const { id } = await bulk.create({ ...order, action, filter: { ids } }, systemActor("test"), origin);
      await eventually("it has ended", async () => (await bulk.get(id)).finishedAt !== null);
      return { id, operation: await bulk.get(id) };
    };
    const { id, operation } = await ask("replay");
    expect(operation).toMatchObject({ status: "succeeded", total: 5, succeeded: 5, errors: [] });
    const replays = await knex("workflow_runs").whereIn("replay_of", runs).orderBy("replay_of");
    expect(replays.map((run) => run.replay_of)).toEqual([...runs].sort());
    // the ids that were reserved for them: what makes a second try harmless
    const reserved = await knex("bulk_operation_items").select("new_run_id").where("operation_id", id);
    expect(reserved.map((item) => item.new_run_id).sort()).toEqual(replays.map((run) => run.id).sort());
    for (const run of replays)
      expect(await harness.waitForEnd(run.id)).toMatchObject({ status: "succeeded" });

    const later = await harness.startRun(versionId, {}, 60_000);
    expect((await ask("cancel", [later, ...runs])).operation).toMatchObject({ succeeded: 1, skipped: 5 });
    expect(await harness.waitForEnd(later)).toMatchObject({ status: "canceled" });
  });
});
