import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { RunPlan } from "../../src/core/plan.js";
import { buildPlan } from "../support/build-plan.js";
import { BACKENDS, type EngineHarness, openEngineHarness, saveScript } from "../support/engine-harness.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const RUNS = Number(process.env["TEST_KILL_RUNS"] ?? 200);
const KILL_EVERY_MS = 2500;
const WORKERS = 3;
const LONGEST_MS = 240_000;

/**
 * The promise of the engine: workers may die at any moment. Three worker processes of the built program run
 * ten-step diamonds, and one of them is killed with SIGKILL every few seconds.
 */
describe.each(BACKENDS)("workers that are killed, on $name", ({ redisUrl }) => {
  let harness: EngineHarness;
  let workers: ChildProcess[] = [];
  let isOver = false;

  beforeAll(async () => {
    harness = await openEngineHarness(redisUrl);
  });
  afterAll(async () => {
    isOver = true;
    await Promise.all(workers.map(killWorker));
    await harness?.close();
  });

  function startWorkerProcess(): ChildProcess {
    const child = spawn(process.execPath, ["dist/src/cli/main.js", "worker", "--concurrency", "8"], {
      cwd: ROOT,
      env: { PATH: process.env["PATH"], ...harness.environment, LOG_LEVEL: "error" },
      stdio: ["ignore", "inherit", "inherit"],
    });
    return child;
  }

  async function waitForWorkers(): Promise<void> {
    const pids = workers.map((worker) => worker.pid ?? 0);
    for (let live = 0; live < WORKERS && !isOver; ) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      live = (await harness.platform.knex("workers").whereIn("pid", pids)).length;
    }
  }

  /** A diamond of ten steps: two scripts that take a while, the rest light. */
  async function diamond(): Promise<RunPlan> {
    const python = await saveScript(
      harness.platform,
      "python_script",
      "import time\ndef main(n):\n    time.sleep(0.15)\n    return {'n': n + 1}\n",
    );
    const light = (id: string, after: string[]) => ({
      id,
      after,
      inputs: { n: { step: after[0] ?? "", output: "/n" } },
    });
    return buildPlan([
      { id: "start", inputs: { n: { input: "/n" } } },
      { id: "slow-one", after: ["start"], target: python, inputs: { n: { step: "start", output: "/n" } } },
      ...["b1", "b2", "b3", "b4", "b5"].map((id) => light(id, ["start"])),
      { id: "slow-two", after: ["b1"], target: python, inputs: { n: { step: "b1", output: "/n" } } },
      {
        id: "join",
        after: ["slow-one", "slow-two", "b2", "b3", "b4", "b5"],
        inputs: { sum: { expression: "steps.'slow-one'.output.n + steps.'slow-two'.output.n" } },
      },
      { id: "end", after: ["join"], inputs: { sum: { step: "join", output: "/sum" } } },
    ]);
  }

  it(
    `ends ${RUNS} runs well while a worker dies every ${KILL_EVERY_MS} ms`,
    async () => {
      const versionId = await harness.saveVersion(await diamond());
      workers = Array.from({ length: WORKERS }, startWorkerProcess);
      const runIds = await Promise.all(
        Array.from({ length: RUNS }, (_, n) => harness.startRun(versionId, { n })),
      );
      let kills = 0;
      const killing = (async () => {
        for (let turn = 0; !isOver; turn += 1) {
          // a slow machine must not end up with workers that die before they have ever worked
          await waitForWorkers();
          await new Promise((resolve) => setTimeout(resolve, KILL_EVERY_MS));
          if (isOver) return;
          const victim = turn % WORKERS;
          await killWorker(workers[victim] as ChildProcess);
          workers[victim] = startWorkerProcess();
          kills += 1;
        }
      })();
      try {
        for (const [n, runId] of runIds.entries()) {
          const run = await harness.waitForEnd(runId, LONGEST_MS);
          expect(run).toMatchObject({
            status: "succeeded",
            error: null,
            output: { end: { sum: 2 * n + 2 } },
          });
        }
      } finally {
        isOver = true;
        await killing;
      }
      expect(kills).toBeGreaterThanOrEqual(2);
      await expectOnceOnly(harness, runIds);
      const { rows } = await harness.platform.knex.raw(
        "SELECT count(*)::int AS lost FROM step_attempts WHERE error->>'code' = 'worker_lost'",
      );
      process.stdout.write(
        `worker loss: ${RUNS} runs, ${kills} workers killed, ${rows[0].lost} attempts lost and run again\n`,
      );
    },
    LONGEST_MS + 30_000,
  );
});

/** No effect twice, no event missing or doubled. */
async function expectOnceOnly(harness: EngineHarness, runIds: readonly string[]): Promise<void> {
  const { knex } = harness.platform;
  const events = await knex("run_events")
    .whereIn("run_id", [...runIds])
    .orderBy(["run_id", "seq"]);
  const byRun = new Map<string, { seq: number; type: string; step_id: string }[]>();
  for (const event of events) byRun.set(event.run_id, [...(byRun.get(event.run_id) ?? []), event]);
  expect(byRun.size).toBe(runIds.length);
  for (const own of byRun.values()) {
    expect(own.map((event) => event.seq)).toEqual(own.map((_, index) => index + 1));
    const succeeded = own.filter((event) => event.type === "step.succeeded").map((event) => event.step_id);
    expect(succeeded).toHaveLength(10);
    expect(new Set(succeeded).size).toBe(10);
    expect(own.filter((event) => event.type === "run.succeeded")).toHaveLength(1);
    expect(own.at(-1)?.type).toBe("run.succeeded");
  }
}

async function killWorker(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}
