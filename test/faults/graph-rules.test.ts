import { afterEach, describe, expect, it } from "@jest/globals";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../support/eventually.js";
import { FAULT_BACKENDS, type FaultWorld, openFaultWorld, recordFigures } from "../support/fault-world.js";

const RUNS = 100;
const ENDS = {
  a: "succeeded",
  b: "succeeded",
  c: "succeeded",
  d: "succeeded",
  bad: "failed",
  never: "skipped",
  mourner: "succeeded",
  last: "succeeded",
};

describe.each(FAULT_BACKENDS)("F1: rules of a graph, queues on $name", ({ name, hasRedis }) => {
  let world: FaultWorld;

  afterEach(async () => await world?.close());

  it(`${RUNS} diamonds with a failing step beside them end as defined`, async () => {
    world = await openFaultWorld({ hasRedis });
    const [api] = await Promise.all([world.spawn("api"), world.spawn("worker"), world.spawn("worker")]);
    const { calling } = world;
    world.witness.refuseFirst("bad");
    await world.addWorkflow(api.address, "diamond", [
      calling("a"),
      calling("b", ["a"]),
      calling("c", ["a"]),
      calling("d", ["b", "c"]),
      calling("bad", ["a"]),
      calling("never", ["bad"]),
      { ...calling("mourner", ["bad", "c"]), runAfter: "anyFailed" },
      { ...calling("last", ["d", "bad", "never"]), runAfter: "allDone" },
    ]);
    for (let n = 0; n < RUNS; n += 1) {
      const order = { workflow: "diamond" };
      expect((await world.call(api.address, "POST", "/api/v1/workflow-runs", order)).status).toBe(202);
      await sleep(150);
    }
    await eventually("all", async () => (await world.statuses())["failed"] === RUNS, 60_000);
    const runs: { id: string; created_at: Date; finished_at: Date }[] = await world.knex("workflow_runs");
    const longest = Math.max(...runs.map((run) => run.finished_at.getTime() - run.created_at.getTime()));
    const steps: { run_id: string; step_id: string; status: string }[] = await world.knex("step_runs");
    for (const { id } of runs) {
      const own = steps.filter((step) => step.run_id === id);
      expect(Object.fromEntries(own.map((step) => [step.step_id, step.status]))).toEqual(ENDS);
    }
    const executed = Object.entries(ENDS).filter(([, status]) => status !== "skipped");
    for (const [id] of executed) {
      const counts = [...world.witness.countsOf(id).values()];
      expect(counts).toEqual(runs.map(() => 1));
    }
    recordFigures(
      "F1",
      name,
      `${RUNS} of ${RUNS} runs ended as defined, the longest after ${longest} ms; each of ${executed.length * RUNS} steps executed once, none that had to be skipped`,
    );
    expect(world.witness.countsOf("never").size).toBe(0);
    expect(longest).toBeLessThanOrEqual(10_000);
  }, 150_000);
});
