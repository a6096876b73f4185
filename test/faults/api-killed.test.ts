import { afterEach, describe, expect, it } from "@jest/globals";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../support/eventually.js";
import { FAULT_BACKENDS, type FaultWorld, openFaultWorld, recordFigures } from "../support/fault-world.js";

const RUNS = 500;
const KILLS = 10;
const PER_SECOND = 50;

describe.each(FAULT_BACKENDS)("an API that is killed, queues on $name", ({ name, hasRedis }) => {
  let world: FaultWorld;

  afterEach(async () => await world?.close());

  it(`F4: ${RUNS} starts with keys of their own, ${KILLS} kills: nothing lost, nothing doubled`, async () => {
    world = await openFaultWorld({ hasRedis });
    let api = await world.spawn("api");
    const { address } = api;
    const { port } = new URL(address);
    await Promise.all([world.spawn("worker"), world.spawn("worker")]);
    await world.addWorkflow(address, "one", [{ id: "a", uses: "builtin:noop" }]);
    const acknowledged = new Map<number, string>();
    let tries = 0;
    let repeated = 0;
    const deadline = performance.now() + 180_000;

    async function start(n: number): Promise<void> {
      while (!acknowledged.has(n) && performance.now() < deadline) {
        tries += 1;
        try {
          const answer = await world.call(
            address,
            "POST",
            "/api/v1/workflow-runs",
            { workflow: "one" },
            {
              "idempotency-key": `key-${n}`,
            },
          );
          // 200: made by a request whose answer the kill took away
          if (answer.status === 202 || answer.status === 200) acknowledged.set(n, String(answer.body["id"]));
          if (answer.status === 200) repeated += 1;
        } catch {
          // killed in mid-request: the client tries again
        }
        if (!acknowledged.has(n)) await sleep(300);
      }
    }

    const starting = Promise.all(
      Array.from({ length: RUNS }, async (_, n) => {
        await sleep((n * 1000) / PER_SECOND);
        await start(n);
      }),
    );
    for (let kill = 0; kill < KILLS; kill += 1) {
      // so that each kill meets requests under way
      const enough = Math.min(RUNS - 30, ((kill + 1) * (RUNS - 50)) / KILLS);
      await eventually(
        "more starts",
        () => acknowledged.size >= enough || acknowledged.size > RUNS - 30,
        60_000,
      );
      await api.kill();
      api = await world.spawn("api", { PORT: port });
    }
    await starting;
    const startedAt = performance.now();
    await eventually("the end of all", async () => (await world.statuses())["succeeded"] === RUNS, 60_000);
    const endedMs = Math.round(performance.now() - startedAt);
    const ids = new Set(acknowledged.values());
    const rows: { id: string }[] = await world.knex("workflow_runs").select("id");
    recordFigures(
      "F4",
      name,
      `${RUNS} keys, ${tries} requests, ${KILLS} kills: ${rows.length} runs, ${ids.size} distinct ids acknowledged, ${repeated} of them to a repeated request, all ended ${endedMs} ms after the last start`,
    );
    expect(new Set(rows.map((row) => row.id))).toEqual(ids);
    expect(ids.size).toBe(RUNS);
    expect(rows).toHaveLength(RUNS);
  }, 240_000);
});
