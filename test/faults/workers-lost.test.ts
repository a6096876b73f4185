import { afterEach, describe, expect, it } from "@jest/globals";
import { setTimeout as sleep } from "node:timers/promises";
import { isProcessAlive } from "../../src/lifecycle/running-process.js";
import { findDescendants } from "../support/descendants.js";
import { eventually } from "../support/eventually.js";
import { FAULT_BACKENDS, type FaultWorld, openFaultWorld, recordFigures } from "../support/fault-world.js";
import { findFreePort } from "../support/find-free-port.js";

const RUNS = 20;
const STEPS = 5;
const CHAOS = { runs: 100, stepMs: 300, kills: 30, everyMs: 2000, endWithinMs: 90_000 };

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

  /** Ten steps, one after the other; two of them are processes in the sandbox. */
  const longChain = (): object[] =>
    Array.from({ length: 10 }, (_, at) => {
      const dependsOn = at === 0 ? [] : [`s${at - 1}`];
      return at % 5 === 2
        ? { id: `s${at}`, uses: "mcp:sleeper", dependsOn }
        : world.calling(`s${at}`, dependsOn);
    });

  it(`F3: ${CHAOS.runs} runs of 10 steps, a random one of three workers is killed every 2 s for 60 s`, async () => {
    world = await openFaultWorld({ hasRedis, settings: { WORKER_CONCURRENCY: "2", WARM_PROCESSES: "0" } });
    const api = await world.spawn("api");
    await addSleeper(api.address, CHAOS.stepMs / 1000);
    for (let at = 0; at < 10; at += 1) world.witness.answerAfter(`s${at}`, CHAOS.stepMs);
    await world.addWorkflow(api.address, "sleep", longChain());
    const workers = await openWorkers(3);
    for (let n = 0; n < CHAOS.runs; n += 1) await start(api.address);
    const begunAt = performance.now();
    for (let kill = 1; kill <= CHAOS.kills; kill += 1) {
      await sleep(Math.max(0, begunAt + kill * CHAOS.everyMs - performance.now()));
      workers.killOne();
    }
    const left = await countOpenRuns();
    const stoppedAt = performance.now();
    await eventually("the end of all runs", async () => (await countOpenRuns()) === 0, CHAOS.endWithinMs);
    const endedMs = Math.round(performance.now() - stoppedAt);
    const statuses = await world.statuses();
    const lost = (await world.knex("step_attempts")).length;
    const successes = await world
      .knex("run_events")
      .where("type", "step.succeeded")
      .select("run_id", "step_id");
    recordFigures(
      "F3",
      name,
      `${CHAOS.kills} workers killed in 60 s, ${lost} attempts lost and run again; ${left} runs were open when the killing stopped, the last ended ${endedMs} ms later: ${JSON.stringify(statuses)}; ${successes.length} successes of ${10 * CHAOS.runs} steps`,
    );
    expect(left).toBeGreaterThan(0);
    expect(lost).toBeGreaterThan(0);
    expect(statuses).toEqual({ succeeded: CHAOS.runs });
    expect(new Set(successes.map((event) => `${event.run_id} ${event.step_id}`)).size).toBe(successes.length);
    expect(successes).toHaveLength(10 * CHAOS.runs);
  }, 300_000);

  const countOpenRuns = async (): Promise<number> =>
    (await world.knex("workflow_runs").whereNull("finished_at")).length;

  /** So many workers, each of which is replaced when it is killed. */
  async function openWorkers(count: number) {
    const pids: number[] = [];
    const open = async (place: number) =>
      await world.spawn("worker", {}, { onSpawn: (pid) => void (pids[place] = pid) });
    await Promise.all(Array.from({ length: count }, (_, place) => open(place)));
    return {
      /** SIGKILL to a random one, be it up or about to be. */
      killOne(): void {
        const place = Math.floor(Math.random() * count);
        process.kill(Number(pids[place]), "SIGKILL");
        // one that is killed before it was ready is no fault
        open(place).catch(() => undefined);
      },
    };
  }

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
    const staleWrites = async () => {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      return Number(/^headrace_stale_writes_total\S* (\d+)/m.exec(text)?.[1] ?? 0);
    };
    // as it goes on, its heartbeat and its late result are both due: a heartbeat that waits for the table lets the other first
    const goneOnAt = await world.knex.transaction(async (trx) => {
      await trx.raw("LOCK TABLE workers IN EXCLUSIVE MODE");
      stopped.signal("SIGCONT");
      const at = performance.now();
      await eventually("the late result", async () => (await staleWrites()) > 0);
      return at;
    });
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
    expect(refused).toBe(1);
    expect(againMs).toBeLessThan(10_000);
  }, 180_000);

  it("F17: a step kills each worker that it runs on, three scripts of 5 s run beside it", async () => {
    world = await openFaultWorld({ hasRedis });
    const api = await world.spawn("api");
    await addSleeper(api.address, 5);
    await world.addWorkflow(api.address, "sleep", chain(1));
    await world.addWorkflow(api.address, "poison", [world.calling("poison")]);
    world.witness.holdUntil("poison", Number.POSITIVE_INFINITY);
    let worker = await world.spawn("worker");
    for (let n = 0; n < 3; n += 1) await start(api.address);
    const neighbours = () => world.knex("step_runs").where("step_id", "s0");
    const isRunning = async () => (await neighbours()).every(({ status }) => status === "running");
    await eventually("the neighbours run", isRunning, 30_000);
    const begunAt = performance.now();
    const made = await world.call(api.address, "POST", "/api/v1/workflow-runs", { workflow: "poison" });
    const runId = String(made.body["id"]);
    const read = () => world.knex("workflow_runs").first().where("id", runId);
    let deaths = 0;
    await eventually(
      "the end of the run",
      async () => {
        if ((world.witness.countsOf("poison").get(runId) ?? 0) > deaths) {
          deaths += 1;
          await worker.kill();
          worker = await world.spawn("worker");
        }
        return (await read()).status === "failed";
      },
      120_000,
    );
    const endedMs = Math.round(performance.now() - begunAt);
    await eventually("the neighbours' end", async () => (await world.statuses())["succeeded"] === 3, 90_000);
    const charged = (await neighbours()).map((step) => step.attempt - step.lost_count - step.released_count);
    const lost = (await neighbours()).map((step) => step.lost_count);
    recordFigures(
      "F17",
      name,
      `${deaths} workers died, the run failed after ${endedMs} ms; its neighbours succeeded, ${lost.join(", ")} workers lost under them and ${charged.join(", ")} attempts charged`,
    );
    expect((await read()).error.code).toBe("worker_lost");
    expect(deaths).toBeLessThanOrEqual(2);
    expect(endedMs).toBeLessThanOrEqual(60_000);
    expect(charged).toEqual([1, 1, 1]);
  }, 300_000);

  /** Milliseconds by the database's clock. */
  async function readClock(): Promise<number> {
    const { rows } = await world.knex.raw("SELECT now() AS at");
    return (rows[0].at as Date).getTime();
  }
});
