import { afterEach, describe, expect, it } from "@jest/globals";
import { setTimeout as sleep } from "node:timers/promises";
import { isProcessAlive } from "../../src/lifecycle/running-process.js";
import { findDescendants } from "../support/descendants.js";
import { eventually } from "../support/eventually.js";
import { FAULT_BACKENDS, type FaultWorld, openFaultWorld, recordFigures } from "../support/fault-world.js";
import { findFreePort } from "../support/find-free-port.js";

const RUNS = 20;
const STEPS = 5;

describe.each(FAULT_BACKENDS)("workers that are lost, queues on $name", ({ name, hasRedis }) => {
  let world: FaultWorld;

  afterEach(async () => await world?.close());

  /** A component whose step takes so long. */
  async function addSleeper(address: string, seconds: number): Promise<void> {
    const code = `import time\ndef main():\n    time.sleep(${seconds})\n    return 1\n`;
    const made = await world.call(address, "POST", "/api/v1/mcp-definitions", {
      name: "sleeper",
      mcpType: "python_script",
      version: { version: "1.0.0", config: { type: "python_script", code, timeoutSeconds: 60 } },
    });
    expect(made.status).toBe(201);
  }
  const chain = (length: number): object[] =>
    Array.from({ length }, (_, at) => ({
      id: `s${at}`,
      uses: "mcp:sleeper",
      dependsOn: at === 0 ? [] : [`s${at - 1}`],
    }));
  const start = async (address: string) =>
    expect((await world.call(address, "POST", "/api/v1/workflow-runs", { workflow: "sleep" })).status).toBe(
      202,
    );
  const countEvents = async (type: string) => (await world.knex("run_events").where({ type })).length;

  it(`F2: ${RUNS} runs of ${STEPS} steps of 2 s, a worker is killed at 3 s and another comes at 5 s`, async () => {
    world = await openFaultWorld({ hasRedis });
    const [api, victim] = await Promise.all([
      world.spawn("api"),
      world.spawn("worker"),
      world.spawn("worker"),
    ]);
    await addSleeper(api.address, 2);
    await world.addWorkflow(api.address, "sleep", chain(STEPS));
    for (let n = 0; n < RUNS; n += 1) await start(api.address);
    await sleep(3000);
    // the guardian goes last: it looks until there is nothing left to end
    const orphans = findDescendants(victim.pid).filter(
      ({ command }) => !command.includes("headrace-guardian"),
    );
    await victim.kill();
    const killedAt = await readClock();
    const diedAt = performance.now();
    await eventually(
      "the end of all below it",
      () => !orphans.some(({ pid }) => isProcessAlive(pid)),
      20_000,
    );
    const goneMs = Math.round(performance.now() - diedAt);
    await sleep(2000 - goneMs);
    await world.spawn("worker");
    await eventually("all", async () => (await world.statuses())["succeeded"] === RUNS, 180_000);
    const lost: { run_id: string; step_index: number }[] = await world.knex("step_attempts");
    const recovered = await Promise.all(
      lost.map(async ({ run_id, step_index }) => {
        const step = await world.knex("step_runs").first().where({ run_id, step_index });
        return step.started_at - killedAt;
      }),
    );
    const succeeded = await countEvents("step.succeeded");
    const longest = Math.max(...recovered);
    recordFigures(
      "F2",
      name,
      `${RUNS} of ${RUNS} runs succeeded, ${lost.length} steps were interrupted, the last of them ran again ${longest} ms after the kill; ${succeeded} successes of ${RUNS * STEPS} steps; the last of the dead worker's ${orphans.length} processes, its guardian aside, was gone after ${goneMs} ms`,
    );
    expect(lost.length).toBeGreaterThan(0);
    expect(orphans.length).toBeGreaterThan(0);
    expect(longest).toBeLessThanOrEqual(20_000);
    expect(succeeded).toBe(RUNS * STEPS);
    expect(goneMs).toBeLessThanOrEqual(1000);
  }, 240_000);

  it("F16: a worker is stopped for 40 s in the middle of a step of 5 s", async () => {
    world = await openFaultWorld({ hasRedis });
    const port = await findFreePort();
    const [api, stopped] = await Promise.all([
      world.spawn("api"),
      world.spawn("worker", { WORKER_HEALTH_PORT: String(port) }),
    ]);
    await addSleeper(api.address, 5);
    await world.addWorkflow(api.address, "sleep", chain(1));
    await start(api.address);
    const step = () => world.knex("step_runs").first();
    await eventually("the step", async () => (await step())?.status === "running", 20_000);
    await sleep(1500);
    stopped.signal("SIGSTOP");
    const stoppedAt = performance.now();
    const other = await world.spawn("worker");
    await eventually("success elsewhere", async () => (await step()).status === "succeeded", 40_000);
    const { attempt, worker_id: worker } = await step();
    await sleep(Math.max(0, 40_000 - (performance.now() - stoppedAt)));
    stopped.signal("SIGCONT");
    const goneOnAt = performance.now();
    const staleWrites = async () => {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      return Number(/^headrace_stale_writes_total\S* (\d+)/m.exec(text)?.[1] ?? 0);
    };
    await other.stop();
    await start(api.address);
    const begun = async () => (await world.knex("step_runs").where("status", "running")).length === 1;
    await eventually("the worker takes steps again", begun, 20_000);
    const againMs = Math.round(performance.now() - goneOnAt);
    await eventually("both", async () => (await world.statuses())["succeeded"] === 2, 30_000);
    const refused = await staleWrites();
    const succeeded = await countEvents("step.succeeded");
    recordFigures(
      "F16",
      name,
      `the step ended elsewhere in attempt ${attempt}, ${succeeded} successes of 2 steps, ${refused} late writes refused; the stopped worker took a step ${againMs} ms after it went on, the other's stop included`,
    );
    expect(attempt).toBe(2);
    expect(succeeded).toBe(2);
    expect(await world.knex("workers").where({ id: worker, pid: stopped.pid })).toEqual([]);
    // 0: the first heartbeat after the pause has ended the execution before it could say anything
    expect(refused).toBeLessThanOrEqual(1);
    expect(againMs).toBeLessThan(10_000);
  }, 180_000);

  /** Milliseconds by the database's clock. */
  async function readClock(): Promise<number> {
    const { rows } = await world.knex.raw("SELECT now() AS at");
    return (rows[0].at as Date).getTime();
  }
});
