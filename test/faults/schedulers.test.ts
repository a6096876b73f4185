import { afterEach, describe, expect, it } from "@jest/globals";
import { setTimeout as sleep } from "node:timers/promises";
import { FAULT_BACKENDS, type FaultWorld, openFaultWorld, recordFigures } from "../support/fault-world.js";
import type { RoleProcess } from "../support/spawn-role.js";

describe.each(FAULT_BACKENDS)("F22: three schedulers, queues on $name", ({ name, hasRedis }) => {
  let world: FaultWorld;

  afterEach(async () => await world?.close());

  it("fire each second once for 60 s while one of them dies every 10 s", async () => {
    world = await openFaultWorld({ hasRedis });
    const api = await world.spawn("api");
    const schedulers: RoleProcess[] = await Promise.all([1, 2, 3].map(() => world.spawn("scheduler")));
    await world.addWorkflow(api.address, "tick", [{ id: "a", uses: "builtin:noop" }]);
    const made = await world.call(api.address, "POST", "/api/v1/schedules", {
      name: "each second",
      workflow: "tick",
      cron: "* * * * * *",
      timezone: "UTC",
      overlap: "allow",
      // what is missed while a leader's lease runs out is fired all the same
      catchUp: "all",
    });
    expect(made.status).toBe(201);
    await sleep(3000);
    const { rows: clock } = await world.knex.raw("SELECT date_trunc('second', now()) AS at");
    const from = clock[0].at as Date;
    for (let kill = 0; kill < 6; kill += 1) {
      await sleep(10_000 - 1500);
      await schedulers[kill % 3]?.kill();
      await sleep(1500);
      schedulers[kill % 3] = await world.spawn("scheduler");
    }
    await sleep(15_000);
    const to = new Date(from.getTime() + 60_000);
    const runs: { scheduled_for: Date }[] = await world
      .knex("workflow_runs")
      .where("scheduled_for", ">", from)
      .where("scheduled_for", "<=", to)
      .select("scheduled_for");
    const due = new Set(runs.map((run) => run.scheduled_for.getTime()));
    recordFigures(
      "F22",
      name,
      `${runs.length} runs for ${due.size} distinct due times in 60 s, 6 schedulers killed, ${runs.length - due.size} doubled`,
    );
    expect(runs.length).toBe(due.size);
    expect(Math.abs(due.size - 60)).toBeLessThanOrEqual(1);
  }, 200_000);
});
