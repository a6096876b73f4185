import { afterEach, expect, it } from "@jest/globals";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { eventually } from "../support/eventually.js";
import { type FaultWorld, openFaultWorld, percentile, recordFigures } from "../support/fault-world.js";
import { findFreePort } from "../support/find-free-port.js";
import { describeWith, redisServer } from "../support/requirements.js";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.js";

const RETRY_SECONDS = 15;

describeWith(redisServer, "Redis that is full, dies or falls silent", () => {
  let world: FaultWorld;
  let proxy: TcpProxy | undefined;

  afterEach(async () => {
    await world?.close();
    await proxy?.close();
    proxy = undefined;
  });

  const IDS = ["a", "b", "c"];
  /** A chain of three steps of so many milliseconds. */
  async function addChain(address: string, stepMs: number): Promise<void> {
    for (const id of IDS) world.witness.answerAfter(id, stepMs);
    await world.addWorkflow(
      address,
      "chain",
      IDS.map((id, index) => world.calling(id, IDS.slice(index - 1, index))),
    );
  }
  const start = async (address: string) =>
    await world.call(address, "POST", "/api/v1/workflow-runs", { workflow: "chain" });
  const countAgain = (): number =>
    IDS.flatMap((id) => [...world.witness.countsOf(id).values()]).filter((n) => n > 1).length;
  const allSucceed = async (count: number, limitMs: number): Promise<number> => {
    const startedAt = performance.now();
    await eventually(`${count} runs`, async () => (await world.statuses())["succeeded"] === count, limitMs);
    return Math.round(performance.now() - startedAt);
  };

  it("F11: refuses writes for 30 s", async () => {
    world = await openFaultWorld({ hasRedis: true });
    const api = await world.spawn("api");
    await Promise.all([world.spawn("worker"), world.spawn("worker")]);
    await addChain(api.address, 1000);
    const redis = new Redis(world.redis?.url ?? "");
    const answers = [];
    for (let n = 0; n < 4; n += 1) answers.push(await start(api.address));
    await sleep(300);
    await redis.config("SET", "maxmemory", "1mb");
    await expect(redis.set("probe", "1")).rejects.toThrow(/OOM/);
    for (let n = 0; n < 20; n += 1) {
      answers.push(await start(api.address));
      await sleep(500);
    }
    await sleep(15_000);
    await redis.config("SET", "maxmemory", "0");
    await redis.quit();
    const tookMs = await allSucceed(24, 60_000);
    const again = countAgain();
    recordFigures(
      "F11",
      "Redis",
      `24/24 starts answered 202, all ended ${tookMs} ms after there was room again, ${again} of 72 steps executed twice`,
    );
    expect(answers.every((answer) => answer.status === 202)).toBe(true);
    expect(again).toBe(0);
  }, 180_000);

  it.each([
    { fault: "F8", appendOnly: "yes", what: "with its append-only file", limitMs: 120_000 },
    { fault: "F9", appendOnly: "no", what: "with nothing of what it held", limitMs: 60_000 },
  ])(
    "$fault: is killed, and back after 20 s $what",
    async ({ fault, appendOnly, limitMs }) => {
      world = await openFaultWorld({ hasRedis: true, redis: ["--appendonly", appendOnly] });
      const api = await world.spawn("api");
      await Promise.all([world.spawn("worker"), world.spawn("worker")]);
      await addChain(api.address, 2000);
      const answers = [];
      for (let n = 0; n < 30; n += 1) answers.push(await start(api.address));
      await sleep(1000);
      await world.redis?.kill();
      const reads: number[] = [];
      for (const until = performance.now() + 20_000; performance.now() < until; ) {
        for (let n = 0; n < 10; n += 1) {
          const read = await world.call(api.address, "GET", "/api/v1/workflow-runs?limit=20");
          expect(read.status).toBe(200);
          reads.push(read.tookMs);
          await sleep(50);
        }
        answers.push(await start(api.address));
      }
      const before = world.witness.total();
      await world.redis?.start();
      const backAt = performance.now();
      await eventually("a new step", () => world.witness.total() > before, 30_000);
      const firstMs = Math.round(performance.now() - backAt);
      await allSucceed(answers.length, limitMs);
      const endedMs = Math.round(performance.now() - backAt);
      const p99 = Math.round(percentile(reads, 0.99));
      const again = countAgain();
      recordFigures(
        fault,
        "Redis",
        `${answers.length}/${answers.length} runs succeeded, all starts 202 (${answers.length - 30} of them while it was away), first new step ${firstMs} ms and last run ${endedMs} ms after it was back; reads meanwhile p99 ${p99} ms of ${reads.length}; ${again} steps executed twice`,
      );
      expect(answers.every((answer) => answer.status === 202)).toBe(true);
      expect(p99).toBeLessThanOrEqual(250);
      expect(again).toBe(0);
    },
    240_000,
  );

  it("F10: is wiped with runs, retries, approvals and a schedule under way", async () => {
    world = await openFaultWorld({ hasRedis: true });
    const [api] = await Promise.all([
      world.spawn("api"),
      world.spawn("worker"),
      world.spawn("worker"),
      world.spawn("scheduler"),
    ]);
    await addChain(api.address, 2000);
    world.witness.refuseFirst("flaky");
    await world.addWorkflow(api.address, "flaky", [
      { ...world.calling("flaky"), retry: { maxAttempts: 3, backoff: "fixed", delaySeconds: RETRY_SECONDS } },
    ]);
    await world.addWorkflow(api.address, "asks", [
      { id: "ask", uses: "builtin:approval" },
      { ...world.calling("d"), dependsOn: ["ask"] },
    ]);
    await world.addWorkflow(api.address, "tick", [{ id: "tick", uses: "builtin:noop" }]);
    const schedule = { name: "five", workflow: "tick", everySeconds: 5, overlap: "allow", catchUp: "all" };
    const made = await world.call(api.address, "POST", "/api/v1/schedules", schedule);
    expect(made.status).toBe(201);
    const order = async (workflow: string) =>
      expect((await world.call(api.address, "POST", "/api/v1/workflow-runs", { workflow })).status).toBe(202);
    for (let n = 0; n < 5; n += 1) await order("flaky");
    for (let n = 0; n < 2; n += 1) await order("asks");
    const steps = (where: object) => world.knex("step_runs").where(where);
    await eventually(
      "five retries",
      async () => (await steps({ step_id: "flaky", attempt: 2 })).length === 5,
    );
    await eventually(
      "two questions",
      async () => (await steps({ step_id: "ask", status: "waiting" })).length === 2,
    );
    for (let n = 0; n < 20; n += 1) await order("chain");
    await eventually("steps under way", async () => (await steps({ status: "running" })).length > 0);
    const due = new Map((await steps({ step_id: "flaky" })).map((step) => [step.run_id, step.available_at]));
    await world.redis?.flush();
    const wipedAt = performance.now();

    for (const { run_id } of await steps({ step_id: "ask" })) {
      const path = `/api/v1/workflow-runs/${run_id}/steps/ask/approve`;
      expect((await world.call(api.address, "POST", path, {})).status).toBe(200);
    }
    const open = () => world.knex("workflow_runs").whereNull("schedule_id").whereNot("status", "succeeded");
    await eventually("27 runs", async () => (await open()).length === 0, 120_000);
    const endedMs = Math.round(performance.now() - wipedAt);
    const earlyMs = (await steps({ step_id: "flaky" })).map((step) => due.get(step.run_id) - step.started_at);
    await sleep(Math.max(0, 30_000 - endedMs));
    const fired: { scheduled_for: Date; created_at: Date }[] = await world
      .knex("workflow_runs")
      .whereNotNull("schedule_id")
      .orderBy("scheduled_for");
    const gaps = fired.slice(1).map((run, at) => run.created_at.getTime() - Number(fired[at]?.created_at));
    const again = countAgain();
    recordFigures(
      "F10",
      "Redis",
      `27 of 27 runs succeeded, the last ${endedMs} ms after the wipe; 5 retries, the earliest ${-Math.max(...earlyMs)} ms after it was due; ${fired.length} firings of a schedule of 5 s, at most ${Math.max(...gaps)} ms apart, ${again} of 60 steps of the chains executed again`,
    );
    expect(Math.max(...earlyMs)).toBeLessThanOrEqual(0);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(15_000);
    expect(new Set(fired.map((run) => run.scheduled_for.getTime())).size).toBe(fired.length);
    expect(again).toBeLessThanOrEqual(1);
  }, 240_000);

  it("F15: falls silent without an end: (a) open connections, (b) all for 25 s", async () => {
    world = await openFaultWorld({ hasRedis: true });
    proxy = await startTcpProxy(Number(new URL(world.redis?.url ?? "").port));
    const api = await world.spawn("api");
    await addChain(api.address, 10);
    const worker = await world.spawn("worker", {
      REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
      WORKER_HEALTH_PORT: String(await findFreePort()),
    });
    const health = async () => (await fetch(`${worker.address}/health/ready`)).status;
    await start(api.address);
    await allSucceed(1, 30_000);
    expect(await health()).toBe(200);

    proxy.freezeOpen();
    const frozenAt = performance.now();
    await start(api.address);
    await allSucceed(2, 30_000);
    const frozenMs = Math.round(performance.now() - frozenAt);

    proxy.cut();
    const cutAt = performance.now();
    await start(api.address);
    await eventually("the worker's 503", async () => (await health()) === 503, 30_000);
    const noticedMs = Math.round(performance.now() - cutAt);
    await sleep(25_000 - (performance.now() - cutAt));
    const before = world.witness.total();
    proxy.heal();
    const healedAt = performance.now();
    await eventually("a new step", () => world.witness.total() > before, 30_000);
    const healedMs = Math.round(performance.now() - healedAt);
    await allSucceed(3, 60_000);
    await eventually("the worker's 200", async () => (await health()) === 200);
    recordFigures(
      "F15",
      "Redis",
      `(a) a run started and ended ${frozenMs} ms after its connections fell silent; (b) the worker's readiness was 503 after ${noticedMs} ms, and the waiting run's first step ran ${healedMs} ms after the network was back`,
    );
    expect(healedMs).toBeLessThanOrEqual(10_000);
    expect(countAgain()).toBe(0);
  }, 180_000);
});
