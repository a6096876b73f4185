import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { RunPlan } from "../../src/core/plan.js";
import { eventually } from "../support/eventually.js";
import { FAULT_BACKENDS, type FaultWorld, openFaultWorld, recordFigures } from "../support/fault-world.js";
import { repository } from "../support/headrace-up.js";
import { addMixedWorkflows, type MixedWorkflow } from "../support/mixed-workflows.js";
import {
  buildPreviousProgram,
  type PreviousProgram,
  previousRevisions,
} from "../support/previous-program.js";
import type { RoleProcess } from "../support/spawn-role.js";

const RUNS = 100;
/** Runs that the old program starts alone; as many again are started while both serve, the rest by the new one alone. */
const PART = 35;

describe.each(previousRevisions())("F29: a rolling deployment from the program of %s", (revision) => {
  let previous: PreviousProgram;
  let world: FaultWorld;
  let mix: readonly MixedWorkflow[];
  const started: string[] = [];

  beforeAll(() => void (previous = buildPreviousProgram(revision)), 200_000);
  afterAll(() => previous?.remove());
  afterEach(async () => await world?.close());

  it.each(FAULT_BACKENDS)(
    `${RUNS} runs succeed while it takes place, queues on $name`,
    async ({ name, hasRedis }) => {
      started.length = 0;
      const current = readdirSync(join(repository, "migrations")).sort();
      expect(previous.migrations).toEqual(current.slice(0, previous.migrations.length));
      world = await openFaultWorld({ hasRedis, program: previous.folder });
      const old = { program: previous.folder };
      const oldApi = await world.spawn("api", {}, old);
      const oldOnes = [oldApi, ...(await Promise.all(["worker", "worker", "scheduler"].map(spawnOld)))];
      const oldWorkers = await readWorkerIds();
      mix = await addMixedWorkflows(world, oldApi.address);
      for (let n = 0; n < PART; n += 1) await startRun(oldApi);

      // its start brings the schema up to date, under the old program's runs
      const api = await world.spawn("api");
      expect(await readMigrations()).toBe(current.length);
      const newest = await startNewest(api.address);
      for (let n = 0; n < PART / 2; n += 1) await startRun(n % 2 === 0 ? oldApi : api);
      await eventually(
        "the step before it",
        async () => (await readStep(newest, "a")).status === "succeeded",
      );
      await sleep(3000);
      expect(await readStep(newest, "b")).toMatchObject({ status: "queued", attempt: 1, worker_id: null });
      await rename("of-tomorrow", "noop");
      const newOnes = await Promise.all(["worker", "worker", "scheduler"].map((role) => spawnNew(role)));
      for (let n = 0; n < PART / 2; n += 1) await startRun(n % 2 === 0 ? oldApi : api);
      await eventually("steps at new workers", async () => (await countSteps(oldWorkers)).others > 0, 30_000);

      const codes: (number | null)[] = [];
      for (const one of oldOnes) {
        const stopping = one.stop();
        for (let n = 0; n < (RUNS - PART) / 8; n += 1) await startRun(api);
        codes.push((await stopping).code);
      }
      await decideApprovals(api.address);
      const statuses = async () => await world.statuses();
      await eventually("all ended", async () => isOver(await statuses()), 120_000);
      const { known, others } = await countSteps(oldWorkers);
      const attempts = await world.knex("step_attempts");
      const logs = [...oldOnes, api, ...newOnes].flatMap(
        (one) => one.output().match(/.*"level":(50|60|"error"|"fatal").*/g) ?? [],
      );
      recordFigures(
        "F29",
        name,
        `from ${revision} (${previous.migrations.length} of ${current.length} migrations): ${started.length} of ${started.length} runs of ${mix.length} workflows succeeded; ${known} steps ended at workers of the old program, ${others} at those of this one, ${attempts.length} attempts were lost; a step that it does not know was left for this one`,
      );
      expect(logs).toEqual([]);
      expect(codes).toEqual(codes.map(() => 0));
      expect(await statuses()).toEqual({ succeeded: expect.any(Number) });
      expect(started.length).toBeGreaterThanOrEqual(RUNS);
      expect(known).toBeGreaterThan(0);
      const step = await readStep(newest, "b");
      expect(step).toMatchObject({ status: "succeeded", attempt: 1 });
      expect(oldWorkers).not.toContain(step.worker_id);
    },
    300_000,
  );

  const spawnOld = (role: string): Promise<RoleProcess> =>
    world.spawn(role as "worker", {}, { program: previous.folder });
  const spawnNew = (role: string): Promise<RoleProcess> => world.spawn(role as "worker");

  async function startRun(api: RoleProcess): Promise<void> {
    const { workflow, input } = mix[started.length % mix.length] as MixedWorkflow;
    const answer = await world.call(api.address, "POST", "/api/v1/workflow-runs", { workflow, input });
    expect(answer.status).toBe(202);
    started.push(String(answer.body["id"]));
    await sleep(50);
  }

  /** A run whose second step is a built-in one that the old program has never heard of. @returns its id. */
  async function startNewest(address: string): Promise<string> {
    await world.addWorkflow(address, "newest", [
      { id: "a", uses: "builtin:noop" },
      { id: "b", uses: "builtin:noop", dependsOn: ["a"] },
    ]);
    await rename("noop", "of-tomorrow");
    const run = await world.call(address, "POST", "/api/v1/workflow-runs", { workflow: "newest" });
    expect(run.status).toBe(202);
    return String(run.body["id"]);
  }

  /** Gives that step another name. Whoever has read it before knows it by the one that it had. */
  async function rename(from: string, to: string): Promise<void> {
    const version = await world.knex("workflow_versions").first().where("name", "newest");
    const plan: RunPlan = version.plan;
    const steps = plan.steps.map((step) =>
      step.id === "b" ? { ...step, target: { ...step.target, name: to } } : step,
    );
    expect(plan.steps.find((step) => step.id === "b")?.target).toMatchObject({ name: from });
    await world
      .knex("workflow_versions")
      .update({ plan: JSON.stringify({ ...plan, steps }) })
      .where("id", version.id);
  }

  async function decideApprovals(address: string): Promise<void> {
    const waiting = () => world.knex("step_runs").where("status", "waiting").whereNotNull("approval");
    const wanted = started.filter((_, n) => mix[n % mix.length]?.isApproved).length;
    await eventually("the questions", async () => (await waiting()).length === wanted, 60_000);
    for (const { run_id, step_id } of await waiting()) {
      const path = `/api/v1/workflow-runs/${run_id}/steps/${step_id}/approve`;
      expect((await world.call(address, "POST", path, {})).status).toBe(200);
    }
  }

  async function readStep(runId: string, stepId: string) {
    return await world.knex("step_runs").first().where({ run_id: runId, step_id: stepId });
  }

  async function readMigrations(): Promise<number> {
    return Number((await world.knex("headrace_migrations").count("* as n"))[0]?.["n"]);
  }

  async function readWorkerIds(): Promise<string[]> {
    return (await world.knex("workers").select("id")).map((row) => row.id as string);
  }

  /** Steps that ended at workers of these ids, and at others. */
  async function countSteps(ids: readonly string[]): Promise<{ known: number; others: number }> {
    const steps: { worker_id: string }[] = await world
      .knex("step_runs")
      .where("status", "succeeded")
      .whereNotNull("worker_id");
    const known = steps.filter((step) => ids.includes(step.worker_id)).length;
    return { known, others: steps.length - known };
  }
});

function isOver({ queued = 0, running = 0, waiting = 0 }: Record<string, number>): boolean {
  return queued + running + waiting === 0;
}
