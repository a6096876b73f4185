import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { setTimeout as sleep } from "node:timers/promises";
import { MAX_LOST_WORKERS } from "../../src/core/advance.js";
import { type EngineHarness, BACKENDS, openEngineHarness } from "../support/engine-harness.js";
import { eventually } from "../support/eventually.js";
import { buildPlan } from "../support/build-plan.js";
import { type RoleProcess, spawnRole } from "../support/spawn-role.js";
import { startWitness, type Witness } from "../support/witness.js";

const NEIGHBOURS = 3;

/** F17. */
describe.each(BACKENDS)("a step that kills its worker, queues on $name", ({ redisUrl }) => {
  let harness: EngineHarness;
  let witness: Witness;
  const workers: RoleProcess[] = [];

  beforeAll(async () => {
    harness = await openEngineHarness(redisUrl);
    witness = await startWitness();
  });
  afterAll(async () => {
    await Promise.all(workers.map((worker) => worker.kill()));
    await witness?.close();
    await harness?.close();
  });

  const spawn = async () =>
    void workers.push(
      await spawnRole("worker", { ...harness.environment, ...witness.environment, WORKER_CONCURRENCY: "4" }),
    );

  /** As a supervisor would: the worker that runs the step is killed as soon as it calls, and another is started. */
  async function killWhoeverRuns(runId: string): Promise<number> {
    let deaths = 0;
    for (let seen = 0; ; ) {
      const run = await harness.platform.knex("workflow_runs").first("status").where("id", runId);
      if (run.status === "failed") return deaths;
      const count = witness.countsOf("poison").get(runId) ?? 0;
      if (count > seen) {
        seen = count;
        const row = await harness.platform
          .knex("step_runs as s")
          .join("workers as w", "w.id", "s.worker_id")
          .where({ "s.run_id": runId, "s.status": "running" })
          .first("w.pid");
        await workers.find((worker) => worker.pid === row?.pid)?.kill();
        // its lease need not run out by itself here
        await harness.platform.knex("workers").where("pid", row?.pid).update("lease_until", new Date(0));
        deaths += 1;
        await spawn();
      }
      await sleep(20);
    }
  }

  it(`ends after ${MAX_LOST_WORKERS} workers, and those that ran beside it succeed`, async () => {
    witness.holdUntil("poison", Number.POSITIVE_INFINITY);
    witness.answerAfter("neighbour", 2000);
    const one = (id: string) => harness.saveVersion(buildPlan([witness.step(id)]));
    const [poison, neighbour] = [await one("poison"), await one("neighbour")];
    await spawn();
    const neighbours = await Promise.all(
      Array.from({ length: NEIGHBOURS }, () => harness.startRun(neighbour)),
    );
    await eventually("the neighbours run", () => witness.countsOf("neighbour").size === NEIGHBOURS);
    const startedAt = performance.now();
    const runId = await harness.startRun(poison);
    const deaths = await killWhoeverRuns(runId);
    const tookMs = performance.now() - startedAt;
    expect(deaths).toBe(MAX_LOST_WORKERS);
    expect(tookMs).toBeLessThan(60_000);
    expect(await harness.waitForEnd(runId)).toMatchObject({ error: { code: "worker_lost" } });
    for (const id of neighbours)
      expect(await harness.waitForEnd(id, 60_000)).toMatchObject({ status: "succeeded" });
  }, 150_000);
});
