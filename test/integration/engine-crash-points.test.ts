import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { buildPlan } from "../support/build-plan.js";
import { BACKENDS, type EngineHarness, openEngineHarness } from "../support/engine-harness.js";
import { eventually } from "../support/eventually.js";
import { type RoleProcess, spawnRole } from "../support/spawn-role.js";
import { startWitness, type Witness } from "../support/witness.js";

const CRASHING = fileURLToPath(new URL("../support/crashing-process.mjs", import.meta.url));
const RUNS = 50;

/**
 * Between PostgreSQL and the queue there are three places to die in. A process dies in each of them with fifty runs
 * at once in its hands; another goes on. What steps do is counted by a server that they call.
 */
describe.each(BACKENDS)("processes that die between the database and the queue, on $name", ({ redisUrl }) => {
  let harness: EngineHarness;
  let witness: Witness;
  let rescuer: RoleProcess;
  let rescuedAt = 0;
  let environment: Record<string, string>;
  const runIds = new Map<string, readonly string[]>();
  const children: ChildProcess[] = [];

  async function crash(options: { point: string; runs?: readonly object[]; group?: string; count?: number }) {
    const child = spawn(process.execPath, [CRASHING, JSON.stringify({ environment, ...options })], {
      env: { PATH: process.env["PATH"] },
      stdio: ["ignore", "inherit", "inherit"],
    });
    children.push(child);
    const [, signal] = (await once(child, "exit")) as [number | null, string | null];
    expect(signal).toBe("SIGKILL");
  }

  /** Fifty runs of two steps whose names tell which point they are for. */
  async function makeRuns(point: string): Promise<object[]> {
    const group = point.replaceAll("_", "-");
    const first = `${group}-a`;
    const plan = buildPlan([
      witness.step(first, { workerGroup: group }),
      witness.step(`${group}-b`, { workerGroup: group, after: [first] }),
    ]);
    const versionId = await harness.saveVersion(plan);
    const rest = { workflowId: null, versionId, workflowName: "test", workflowVersion: 1, trigger: "api" };
    const more = { input: {}, labels: {}, priority: 0, delayMs: 0, createdBy: null, createdByName: "test" };
    return Array.from({ length: RUNS }, () => ({ id: newId(), ...rest, ...more }));
  }

  async function crashCreating(point: string): Promise<void> {
    const runs = await makeRuns(point);
    runIds.set(
      point,
      runs.map((run) => (run as { id: string }).id),
    );
    await crash({ point, runs });
  }

  async function crashWorking(point: string): Promise<void> {
    const runs = await makeRuns(point);
    const ids = runs.map((run) => (run as { id: string }).id);
    runIds.set(point, ids);
    const group = point.replaceAll("_", "-");
    // all results come at the same time
    witness.holdUntil(`${group}-a`, RUNS);
    await Promise.all(runs.map((run) => harness.platform.engine.commit.create(run as never)));
    await crash({ point, group, count: RUNS });
    const left = await harness.platform.knex("step_runs").whereIn("run_id", ids).where("status", "running");
    expect(left).toEqual([]); // the results are committed
    const counts = await harness.platform.runQueue.countJobs();
    const own = counts.find(({ name }) => name === `steps-${group}`);
    expect(own?.active).toBe(RUNS); // and the queue does not know
  }

  beforeAll(async () => {
    harness = await openEngineHarness(redisUrl);
    witness = await startWitness();
    environment = { ...harness.environment, ...witness.environment };
    await Promise.all([
      crashWorking("result_commit"),
      crashWorking("result_unpublished"),
      crashCreating("run_insert"),
      crashCreating("job_publish"),
    ]);
    const groups = [...runIds.keys()].map((point) => point.replaceAll("_", "-"));
    rescuer = await spawnRole("worker", environment, { args: ["--groups", groups.join(",")] });
    rescuedAt = Date.now();
  }, 90_000);
  afterAll(async () => {
    for (const child of children) child.kill("SIGKILL");
    await rescuer?.kill();
    await witness?.close();
    await harness?.close();
  });

  /** `column` says what has to be within the limit, counted from when the rescuer is up: the runs' start or their end. */
  async function expectEachOnce(
    point: string,
    column: "started_at" | "finished_at",
    limitMs: number,
  ): Promise<void> {
    for (const id of runIds.get(point) ?? [])
      expect((await harness.waitForEnd(id, 40_000)).status).toBe("succeeded");
    const [row] = await harness.platform
      .knex("workflow_runs")
      .whereIn("id", [...(runIds.get(point) ?? [])])
      .max(`${column} as last`);
    expect((row?.["last"] as Date).getTime() - rescuedAt).toBeLessThan(limitMs);
    for (const step of ["a", "b"]) {
      const counts = witness.countsOf(`${point.replaceAll("_", "-")}-${step}`);
      expect([...counts.keys()].sort()).toEqual([...(runIds.get(point) ?? [])].sort());
      expect([...counts.values()].filter((count) => count !== 1)).toEqual([]);
    }
  }

  it("F5 committed runs whose jobs were never made start all the same", async () => {
    await expectEachOnce("run_insert", "started_at", 15_000);
  });

  it("F6 jobs that were made twice run once", async () => {
    await expectEachOnce("job_publish", "started_at", 15_000);
  });

  it("F7 a committed result counts although its job was never acknowledged", async () => {
    await expectEachOnce("result_commit", "finished_at", 20_000);
    await expectEachOnce("result_unpublished", "finished_at", 20_000);
    // the jobs come again, find their work done and are gone: still one execution each
    const isDone = async () => {
      const counts = await harness.platform.runQueue.countJobs();
      return counts.every(({ active, waiting, delayed }) => active + waiting + delayed === 0);
    };
    await eventually("all jobs acknowledged", isDone, 30_000);
    await expectEachOnce("result_commit", "finished_at", 20_000);
    await expectEachOnce("result_unpublished", "finished_at", 20_000);
  });
});
