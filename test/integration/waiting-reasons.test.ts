import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { WaitingFor } from "../../src/contracts/api/runs.js";
import { waitingForSchema } from "../../src/contracts/api/runs.js";
import { newId } from "../../src/core/ids.js";
import type { RunPlan } from "../../src/core/plan.js";
import type { Transition } from "../../src/core/transition.js";
import { createStepThrottle } from "../../src/services/engine/step-throttle.js";
import { createRunQueries } from "../../src/services/runs/run-queries.js";
import { toApproval, toWait } from "../../workers/processors/begin-builtin.js";
import { buildPlan } from "../support/build-plan.js";
import { type EngineHarness, openEngineHarness, saveScript } from "../support/engine-harness.js";
import { saveWorkflow, type SavedWorkflow, startHeld } from "../support/flow-control.js";

const FIRST = { stepIndex: 0, itemIndex: -1, attempt: 1 } as const;

/** Every step of a live run that is not running says why. */
describe("what steps wait for", () => {
  let harness: EngineHarness;

  beforeAll(async () => {
    harness = await openEngineHarness(undefined);
  });
  afterAll(async () => harness?.close());
  beforeEach(async () => {
    await harness.platform.knex("workers").delete();
    await addWorker({ running: 0 });
  });

  async function addWorker(worker: { running: number; groups?: string[] }): Promise<void> {
    const { knex } = harness.platform;
    await knex("workers").insert({
      id: newId(),
      hostname: "h",
      pid: 1,
      groups: ["default"],
      concurrency: 2,
      sandbox_level: "process",
      version: "1",
      lease_until: knex.raw("now() + interval '1 minute'"),
      ...worker,
    });
  }

  const save = async (
    rest: Partial<RunPlan> = {},
    steps: Parameters<typeof buildPlan>[0] = [{ id: "only" }],
  ) => await saveWorkflow(harness.platform, buildPlan(steps, rest));

  async function reasonsOf(runId: string): Promise<(WaitingFor[] | undefined)[]> {
    const { knex, engine, artifacts } = harness.platform;
    const queries = createRunQueries({ knex, plans: engine.plans, artifacts });
    const { items } = await queries.steps(runId, { limit: 100 });
    for (const reason of items.flatMap((item) => item.waitingFor ?? [])) waitingForSchema.parse(reason);
    return items.map((item) => item.waitingFor);
  }

  /** The reasons of the first step. */
  const reasons = async (runId: string) => (await reasonsOf(runId))[0];

  const apply = async (runId: string, { versionId }: SavedWorkflow, transition: Transition) => {
    const outcome = await harness.platform.engine.commit.apply(runId, versionId, transition);
    expect(outcome.refusal).toBeUndefined();
  };

  async function claim(runId: string, workflow: SavedWorkflow): Promise<string> {
    const token = crypto.randomUUID();
    await apply(runId, workflow, {
      kind: "claim",
      ...FIRST,
      token,
      workerId: newId(),
      sandboxLevel: "process",
    });
    return token;
  }

  it("queue: nothing but its turn", async () => {
    const runId = await startHeld(harness.platform, await save());
    expect(await reasons(runId)).toEqual([
      {
        reason: "queue",
        detail: "next in line for the group default",
        since: expect.any(String),
        workerGroup: "default",
      },
    ]);
  });

  it("worker: nobody serves its group", async () => {
    const workflow = await save({}, [{ id: "only", workerGroup: "gpu" }]);
    const runId = await startHeld(harness.platform, workflow);
    expect(await reasons(runId)).toMatchObject([{ reason: "worker", workerGroup: "gpu" }]);
  });

  it("capacity: everybody is busy", async () => {
    await harness.platform.knex("workers").update({ running: 2 });
    const runId = await startHeld(harness.platform, await save());
    expect(await reasons(runId)).toMatchObject([
      { reason: "capacity", detail: "all 2 slots of the group default are taken" },
    ]);
  });

  it("dependency: the steps before it, also of the phases before its own", async () => {
    const workflow = await save({}, [
      { id: "a" },
      { id: "b" },
      { id: "c", after: ["a", "b"] },
      { id: "mend", phase: "onFailure" },
      { id: "tidy", phase: "finally" },
    ]);
    const [, , c, mend, tidy] = await reasonsOf(await startHeld(harness.platform, workflow));
    expect(c).toMatchObject([{ reason: "dependency", detail: "waits for a, b", steps: ["a", "b"] }]);
    expect(mend).toMatchObject([{ reason: "dependency", detail: "runs if the steps of the workflow fail" }]);
    expect(tidy).toMatchObject([{ reason: "dependency", detail: "runs when all other steps have ended" }]);
  });

  it("delay: the run is to start later, held or not", async () => {
    const free = await startHeld(harness.platform, await save(), { delayMs: 60_000 });
    const limited = await save({ concurrency: { limit: 1, onConflict: "queue" } });
    const held = await startHeld(harness.platform, limited, { delayMs: 60_000 });
    for (const runId of [free, held]) {
      const [reason] = (await reasons(runId)) ?? [];
      expect(reason).toMatchObject({ reason: "delay", until: expect.any(String) });
      const left = Date.parse(reason?.until ?? "") - Date.now();
      expect(Math.abs(left - 60_000)).toBeLessThan(10_000);
    }
  });

  it("retry: the next attempt has its time", async () => {
    const retry = {
      maxAttempts: 2,
      backoff: "fixed",
      delaySeconds: 30,
      maxDelaySeconds: 30,
      jitter: false,
    } as const;
    const workflow = await save({}, [{ id: "only", retry }]);
    const runId = await startHeld(harness.platform, workflow);
    const token = await claim(runId, workflow);
    expect(await reasons(runId)).toBeUndefined();
    const error = { code: "script_error", message: "boom" } as const;
    await apply(runId, workflow, { kind: "fail", ...FIRST, token, error, isRetryable: true });
    expect(await reasons(runId)).toMatchObject([
      { reason: "retry", detail: expect.stringContaining("attempt 2 starts at"), until: expect.any(String) },
    ]);
  });

  it("concurrency: the key and who holds it; the steps after the first wait for that", async () => {
    const concurrency = { limit: 1, key: "input.region", onConflict: "queue" } as const;
    const workflow = await save({ concurrency }, [{ id: "a" }, { id: "b", after: ["a"] }]);
    const holder = await startHeld(harness.platform, workflow, { input: { region: "eu" } });
    const runId = await startHeld(harness.platform, workflow, { input: { region: "eu" } });
    const [a, b] = await reasonsOf(runId);
    expect(a).toEqual([
      {
        reason: "concurrency",
        detail: `one run at once with the key "eu", held by ${holder}`,
        since: expect.any(String),
        key: "eu",
        limit: 1,
        runIds: [holder],
      },
    ]);
    expect(b).toMatchObject([{ reason: "dependency", steps: ["a"] }]);
  });

  it("rate_limit: until when", async () => {
    const workflow = await save({ rateLimit: { limit: 1, seconds: 60 } });
    await startHeld(harness.platform, workflow);
    const [reason] = (await reasons(await startHeld(harness.platform, workflow))) ?? [];
    expect(reason).toMatchObject({ reason: "rate_limit", key: "", limit: 1, seconds: 60 });
    const left = Date.parse(reason?.until ?? "") - Date.now();
    expect(left).toBeGreaterThan(45_000);
    expect(left).toBeLessThanOrEqual(60_000);
  });

  it("paused: since when, beside what else holds the run", async () => {
    const { platform } = harness;
    const workflow = await save({ concurrency: { limit: 1, onConflict: "queue" } });
    await startHeld(platform, workflow);
    await platform
      .knex("workflow_definitions")
      .where("id", workflow.workflowId)
      .update({ paused_at: platform.knex.fn.now() });
    const runId = await startHeld(platform, workflow);
    expect((await reasons(runId))?.map(({ reason }) => reason)).toEqual(["paused", "concurrency"]);
  });

  it("throttle: a component that has started often enough", async () => {
    const { platform } = harness;
    const target = await saveScript(platform, "python_script", "def main(): pass\n");
    const workflow = await save({}, [{ id: "only", target }]);
    const runId = await startHeld(platform, workflow);
    expect(await reasons(runId)).toMatchObject([{ reason: "queue" }]);
    await platform
      .knex("mcp_definitions")
      .where("name", target.name)
      .update({ rate_limit: JSON.stringify({ limit: 1, seconds: 60 }) });
    expect(await reasons(runId)).toMatchObject([{ reason: "queue" }]);
    const job = { ...FIRST, runId, versionId: workflow.versionId, stepId: "only" };
    expect(await createStepThrottle(platform)(target, job)).toBe(0);
    expect(await reasons(runId)).toMatchObject([
      { reason: "throttle", limit: 1, seconds: 60, until: expect.any(String) },
    ]);
  });

  it("wait: until when", async () => {
    const workflow = await save({}, [{ id: "only", target: { kind: "builtin", name: "wait" } }]);
    const runId = await startHeld(harness.platform, workflow);
    await apply(runId, workflow, { kind: "hold", ...FIRST, hold: toWait({ seconds: 60 }, {}) });
    expect(await reasons(runId)).toMatchObject([{ reason: "wait", until: expect.any(String) }]);
  });

  it("approval: by whom, how many of how many", async () => {
    const workflow = await save({}, [{ id: "only", target: { kind: "builtin", name: "approval" } }]);
    const runId = await startHeld(harness.platform, workflow);
    const hold = toApproval({ message: "Ship it?", approvers: { roles: ["operator"], required: 2 } }, {});
    await apply(runId, workflow, { kind: "hold", ...FIRST, hold });
    const approvers = { roles: ["operator"], users: [], required: 2 };
    expect(await reasons(runId)).toMatchObject([
      { reason: "approval", message: "Ship it?", approvers, approvals: 0 },
    ]);
    const decision = {
      decision: "approve",
      userId: newId(),
      name: "Ada",
      at: new Date().toISOString(),
    } as const;
    await apply(runId, workflow, { kind: "decide", stepIndex: 0, itemIndex: -1, decision });
    expect(await reasons(runId)).toMatchObject([
      { reason: "approval", detail: expect.stringContaining("(1 of 2 given)"), approvals: 1 },
    ]);
  });

  it("budget: which one is spent, and how many have approved", async () => {
    const workflow = await save();
    const runId = await startHeld(harness.platform, workflow);
    const token = await claim(runId, workflow);
    const { approval } = toApproval({ message: "Go on?", approvers: { roles: ["admin"] } }, {});
    const waitingFor = { reason: "budget", detail: "the month is spent", subject: "month" };
    const hold = { waitingFor, inputs: {}, ...(approval && { approval }) };
    await apply(runId, workflow, { kind: "pause", ...FIRST, token, hold });
    expect(await reasons(runId)).toMatchObject([
      { reason: "budget", detail: "the month is spent", since: expect.any(String), approvals: 0 },
    ]);
  });

  it("submit: the app that people have to send something from, and until when", async () => {
    const workflow = await save();
    const runId = await startHeld(harness.platform, workflow);
    const token = await claim(runId, workflow);
    const appId = newId();
    const waitingFor = { reason: "submit", detail: `submit of app ${appId}`, appId, url: `/apps/${appId}/` };
    await apply(runId, workflow, {
      kind: "suspend",
      ...FIRST,
      token,
      hold: { dueMs: 60_000, waitingFor, inputs: {} },
    });
    expect(await reasons(runId)).toMatchObject([
      { ...waitingFor, since: expect.any(String), until: expect.any(String) },
    ]);
  });

  it("run_concurrency: items of a forEach beyond its maxParallel", async () => {
    const workflow = await save({}, [{ id: "only", forEach: { value: [1, 2, 3, 4, 5] }, maxParallel: 2 }]);
    const runId = await startHeld(harness.platform, workflow);
    await apply(runId, workflow, { kind: "expand", ...FIRST, items: [1, 2, 3, 4, 5] });
    const [whole, one, two] = await reasonsOf(runId);
    expect(whole).toMatchObject([
      {
        reason: "run_concurrency",
        detail: "3 of 5 items wait: 2 run at once",
        limit: 2,
        items: { total: 5, queued: 2, ended: 0 },
      },
    ]);
    expect([one, two]).toMatchObject([[{ reason: "queue" }], [{ reason: "queue" }]]);
  });

  it("dependency: a step behind one that is held says the step, whatever holds it", async () => {
    const workflow = await save({}, [
      { id: "a", target: { kind: "builtin", name: "wait" } },
      { id: "b", after: ["a"] },
    ]);
    const runId = await startHeld(harness.platform, workflow);
    await apply(runId, workflow, { kind: "hold", ...FIRST, hold: toWait({ seconds: 60 }, {}) });
    expect(await reasonsOf(runId)).toMatchObject([
      [{ reason: "wait" }],
      [{ reason: "dependency", detail: "waits for a", steps: ["a"] }],
    ]);
  });

  it("worker and capacity: of its own group alone", async () => {
    await harness.platform.knex("workers").update({ running: 2 });
    await addWorker({ running: 0, groups: ["gpu"] });
    const steps = [{ id: "cpu" }, { id: "gpu", workerGroup: "gpu" }, { id: "tpu", workerGroup: "tpu" }];
    const runId = await startHeld(harness.platform, await save({}, steps));
    expect((await reasonsOf(runId)).map((reason) => reason?.[0]?.reason)).toEqual([
      "capacity",
      "queue",
      "worker",
    ]);
  });

  it("nothing: runs that have ended wait for nothing", async () => {
    const workflow = await save({}, [{ id: "a" }, { id: "b", after: ["a"] }]);
    const runId = await startHeld(harness.platform, workflow);
    await apply(runId, workflow, { kind: "cancel" });
    expect(await reasonsOf(runId)).toEqual([undefined, undefined]);
  });
});
