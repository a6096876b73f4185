import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { LOST_WORKERS_OF_SUSPECT } from "../../src/core/advance.js";
import { type EngineHarness, BACKENDS, openEngineHarness } from "../support/engine-harness.js";
import { eventually } from "../support/eventually.js";
import { buildPlan } from "../support/build-plan.js";
import { type RoleProcess, spawnRole } from "../support/spawn-role.js";
import { startWitness, type Witness } from "../support/witness.js";

const NEIGHBOURS = 3;

/** F17. Leases end by force here; the one of the long faults lets them run out. `engine-suspects.test.ts` has the rest. */
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
  const one = (id: string) => harness.saveVersion(buildPlan([witness.step(id)]));
  const callsOf = (id: string, runId: string) => witness.countsOf(id).get(runId) ?? 0;

  /** Ends a worker by SIGKILL, and its lease with it. */
  async function killWorker(pid: number): Promise<void> {
    await workers.find((worker) => worker.pid === pid)?.kill();
    const { knex } = harness.platform;
    await knex("workers").where({ pid }).update("lease_until", knex.fn.now());
  }

  /** As a supervisor would: the worker that runs the step is killed as soon as it calls, and another is started. */
  async function killRunnerOf(id: string, runId: string, death: number): Promise<void> {
    await eventually(`call ${death}`, () => callsOf(id, runId) === death, 30_000);
    const row = await harness.platform
      .knex("step_runs as s")
      .join("workers as w", "w.id", "s.worker_id")
      .where({ "s.run_id": runId, "s.status": "running" })
      .first("w.pid");
    await killWorker(row?.pid);
    await spawn();
  }

  it(`ends after ${LOST_WORKERS_OF_SUSPECT} workers, and those that ran beside it succeed`, async () => {
    witness.holdUntil("poison", Number.POSITIVE_INFINITY);
    // they last until they are killed with it a second time
    witness.answerAfter("neighbour", 4000);
    const [poison, neighbour] = [await one("poison"), await one("neighbour")];
    await spawn();
    const neighbours = await Promise.all(
      Array.from({ length: NEIGHBOURS }, () => harness.startRun(neighbour)),
    );
    await eventually("the neighbours run", () => witness.countsOf("neighbour").size === NEIGHBOURS);
    const startedAt = performance.now();
    const runId = await harness.startRun(poison);
    await killRunnerOf("poison", runId, 1);
    await killRunnerOf("poison", runId, 2);
    const run = await harness.waitForEnd(runId, 60_000);
    expect(performance.now() - startedAt).toBeLessThan(60_000);
    expect(run).toMatchObject({ status: "failed", error: { code: "worker_lost" } });
    expect(callsOf("poison", runId)).toBe(LOST_WORKERS_OF_SUSPECT);
    for (const id of neighbours)
      expect(await harness.waitForEnd(id, 60_000)).toMatchObject({ status: "succeeded" });
    const charged = await harness.platform
      .knex("step_runs")
      .whereIn("run_id", neighbours)
      .select(harness.platform.knex.raw("attempt - lost_count - released_count AS charged"));
    expect(charged).toEqual(Array.from({ length: NEIGHBOURS }, () => ({ charged: 1 })));
  }, 150_000);
});
