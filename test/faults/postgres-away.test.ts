import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { setTimeout as sleep } from "node:timers/promises";
import { FAULT_BACKENDS, type FaultWorld, openFaultWorld, recordFigures } from "../support/fault-world.js";
import { eventually } from "../support/eventually.js";

const RUNS = Number(process.env["FAULT_RUNS"] ?? 50);
const RESTARTS = Number(process.env["FAULT_RESTARTS"] ?? 6);

describe.each(FAULT_BACKENDS)("PostgreSQL that goes away, queues on $name", ({ name, hasRedis }) => {
  let world: FaultWorld;

  beforeEach(async () => {
    world = await openFaultWorld({ hasRedis });
  });
  afterEach(async () => await world?.close());

  it(`F13: ${RUNS} runs end well while it is restarted ${RESTARTS} times`, async () => {
    const api = await world.spawn("api");
    const workers = [await world.spawn("worker"), await world.spawn("worker")];
    const ids = ["a", "b", "c", "d", "e"];
    for (const id of ids) world.witness.answerAfter(id, 1000);
    await world.addWorkflow(
      api.address,
      "chain",
      ids.map((id, index) => world.calling(id, index === 0 ? [] : [ids[index - 1] ?? ""])),
    );
    const started = new Set<string>();
    let refused = 0;
    const answers: string[] = [];
    const start = async (n: number): Promise<void> => {
      for (;;) {
        const answer = await world.call(
          api.address,
          "POST",
          "/api/v1/workflow-runs",
          { workflow: "chain" },
          {
            "idempotency-key": `run-${n}`,
          },
        );
        if (answer.status === 202 || answer.status === 200)
          return void started.add(String(answer.body["id"]));
        refused += 1;
        answers.push(`${answer.status} ${answer.type}`);
        await sleep(500);
      }
    };
    const starting = Promise.all(
      Array.from({ length: RUNS }, async (_, n) => {
        await sleep(n * 1000);
        await start(n);
      }),
    );
    for (let turn = 0; turn < RESTARTS; turn += 1) {
      await sleep(9000);
      await world.postgres.crash();
      const probe = await world.call(api.address, "GET", "/api/v1/workflow-runs");
      answers.push(`${probe.status} ${probe.type}`);
      refused += 1;
      await sleep(1000);
      await world.postgres.start();
    }
    await starting;
    await eventually(
      "the end of all runs",
      async () => (await world.statuses())["succeeded"] === RUNS,
      90_000,
    );
    expect(new Set(answers)).toEqual(new Set(["503 application/problem+json; charset=utf-8"]));
    for (const one of [api, ...workers]) expect(() => process.kill(one.pid, 0)).not.toThrow();
    const { rows: gaps } = await world.knex.raw(
      "SELECT r.id FROM workflow_runs r JOIN run_events e ON e.run_id = r.id GROUP BY r.id, r.last_seq HAVING count(*) <> r.last_seq OR max(e.seq) <> r.last_seq",
    );
    expect(gaps).toEqual([]);
    const again = ids.flatMap((id) => [...world.witness.countsOf(id).values()]).filter((n) => n > 1).length;
    recordFigures(
      "F13",
      name,
      `${RUNS}/${RUNS} runs succeeded, ${RESTARTS} restarts, ${refused} requests answered 503 meanwhile, 0 gaps, ${again} of ${RUNS * ids.length} steps executed again`,
    );
  }, 400_000);

  it("F14: results made while it is away for 60 s are kept and committed later", async () => {
    const api = await world.spawn("api");
    await world.spawn("worker");
    const ids = ["a", "b", "c", "d"];
    for (const id of ids) world.witness.answerAfter(id, 25_000);
    await world.addWorkflow(
      api.address,
      "late",
      ids.map((id) => world.calling(id)),
    );
    const { body } = await world.call(api.address, "POST", "/api/v1/workflow-runs", { workflow: "late" });
    await eventually("all steps run", () => world.witness.total() === ids.length, 20_000);
    await world.postgres.crash();
    await sleep(60_000);
    await world.postgres.start();
    const startedAt = performance.now();
    await eventually("the end of the run", async () => (await world.statuses())["succeeded"] === 1, 90_000);
    const tookMs = Math.round(performance.now() - startedAt);
    const executions = ids.map((id) => world.witness.countsOf(id).get(String(body["id"])) ?? 0);
    const attempts = await world.knex("step_attempts").select("status");
    recordFigures(
      "F14",
      name,
      `ended ${tookMs} ms after PostgreSQL was back; executions of each step: ${executions.join(", ")}`,
    );
    expect(executions).toEqual([1, 1, 1, 1]);
    expect(attempts.every((row) => row["status"] === "succeeded")).toBe(true);
  }, 180_000);
});
