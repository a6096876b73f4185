import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { buildPlan, type StepDraft } from "../support/build-plan.js";
import { BACKENDS, type EngineHarness, openEngineHarness, saveScript } from "../support/engine-harness.js";

const OWN_EVENTS = ["step.queued", "step.started", "step.succeeded"];

describe.each(BACKENDS)("steps without effects on $name", ({ redisUrl }) => {
  let harness: EngineHarness;

  beforeAll(async () => {
    harness = await openEngineHarness(redisUrl);
    await harness.startWorker();
  });
  afterAll(async () => harness?.close());

  async function runPlan(drafts: readonly StepDraft[], input = {}) {
    const runId = await harness.startRun(await harness.saveVersion(buildPlan(drafts)), input);
    const run = await harness.waitForEnd(runId);
    const steps = await harness.platform
      .knex("step_runs")
      .where("run_id", runId)
      .orderBy([{ column: "step_index" }, { column: "item_index" }]);
    return { runId, run, steps };
  }

  async function expectOrderlyEvents(runId: string, stepIds: readonly string[]) {
    const events = await harness.events(runId);
    expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
    expect(events.map((event) => event.type).filter((type) => type.startsWith("run."))).toEqual([
      "run.queued",
      "run.started",
      "run.succeeded",
    ]);
    for (const id of stepIds)
      expect(events.filter((event) => event.step_id === id).map((event) => event.type)).toEqual(OWN_EVENTS);
  }

  it("end in one commit, with the rows and events that any step has", async () => {
    const { runId, run, steps } = await runPlan(
      [
        { id: "a", inputs: { n: { input: "/n" }, none: { input: "/none" } } },
        { id: "b", after: ["a"], inputs: { n: { step: "a", output: "/n" }, fixed: { value: [1] } } },
        { id: "c", after: ["b"], inputs: { all: { step: "b", output: "" } } },
      ],
      { n: 7 },
    );
    expect(run).toMatchObject({ status: "succeeded", output: { c: { all: { n: 7, fixed: [1] } } } });
    await expectOrderlyEvents(runId, ["a", "b", "c"]);
    const [first] = steps;
    for (const step of steps) {
      expect(step).toMatchObject({ status: "succeeded", attempt: 1, lease_token: null });
      expect(step.worker_id).toBe(first.worker_id);
      expect(step.sandbox_level).toEqual(expect.any(String));
      for (const column of ["queued_at", "available_at", "started_at", "finished_at"])
        expect(step[column]).toBeInstanceOf(Date);
    }
    // one moment for all: one transaction
    expect(new Set(steps.map((step) => step.finished_at.getTime())).size).toBe(1);
    expect(steps.map((step) => step.inputs)).toEqual([
      { n: 7 },
      { n: 7, fixed: [1] },
      { all: { n: 7, fixed: [1] } },
    ]);
  });

  it("lie between steps that have to be run", async () => {
    const script = await saveScript(
      harness.platform,
      "python_script",
      "def main(n):\n    return {'n': n + 1}\n",
    );
    const { runId, run } = await runPlan([
      { id: "a", target: script, inputs: { n: { value: 1 } } },
      { id: "b", after: ["a"], inputs: { n: { step: "a", output: "/n" } } },
      { id: "c", target: script, after: ["b"], inputs: { n: { step: "b", output: "/n" } } },
    ]);
    expect(run).toMatchObject({ status: "succeeded", output: { c: { n: 3 } } });
    const events = await harness.events(runId);
    for (const id of ["a", "b", "c"])
      expect(
        events
          .filter(
            (event) => event.step_id === id && event.type !== "step.log" && event.type !== "step.progress",
          )
          .map((event) => event.type),
      ).toEqual(OWN_EVENTS);
  });

  it("take what others have left in the file store", async () => {
    const large = "x".repeat(300_000);
    const { run, steps } = await runPlan([
      { id: "a", inputs: { text: { value: large } } },
      { id: "b", after: ["a"], inputs: { text: { step: "a", output: "/text" } } },
      { id: "c", after: ["b"], inputs: { n: { value: 1 } } },
    ]);
    expect(run).toMatchObject({ status: "succeeded", output: { c: { n: 1 } } });
    expect(steps.map((step) => step.output_artifact_id !== null)).toEqual([true, true, false]);
  });

  it("end in commits of their own when they hand on much", async () => {
    const { run, steps } = await runPlan([
      { id: "a", inputs: { text: { value: "x".repeat(20_000) } } },
      { id: "b", after: ["a"], inputs: { text: { step: "a", output: "/text" } } },
    ]);
    expect(run).toMatchObject({ status: "succeeded", output: { b: { text: "x".repeat(20_000) } } });
    const [first, second] = steps.map((step) => step.finished_at.getTime());
    expect(second).toBeGreaterThan(first);
  });

  it("are the items of a forEach, too", async () => {
    const { run, steps } = await runPlan(
      [
        {
          id: "each",
          forEach: { input: "/items" },
          maxParallel: 2,
          inputs: { fixed: { value: true } },
        },
        { id: "last", after: ["each"], inputs: { all: { step: "each", output: "" } } },
      ],
      { items: [1, 2, 3, 4, 5] },
    );
    expect(run).toMatchObject({
      status: "succeeded",
      output: { last: { all: Array(5).fill({ fixed: true }) } },
    });
    expect(steps.every((step) => step.status === "succeeded")).toBe(true);
    expect(steps).toHaveLength(7);
  });

  it("number more than one commit takes, and end all the same", async () => {
    const drafts = Array.from({ length: 230 }, (_, index) => ({
      id: `s${index}`,
      ...(index > 0 ? { after: [`s${index - 1}`] } : {}),
    }));
    const { runId, run } = await runPlan(drafts);
    expect(run.status).toBe("succeeded");
    await expectOrderlyEvents(
      runId,
      drafts.map(({ id }) => id),
    );
  });

  it("are refused when their job is delivered once more", async () => {
    const { runId, run } = await runPlan([{ id: "a" }]);
    const version = (await harness.platform.knex("workflow_runs").where("id", runId).first())
      .workflow_version_id as string;
    const job = { runId, versionId: version, stepIndex: 0, stepId: "a", itemIndex: -1, attempt: 1 };
    const step = { job, workerGroup: "default", priority: 0, rank: 0, delayMs: 0 };
    await harness.platform.runQueue.enqueueRuns([
      { runId, flow: 1, isFirst: true, isSingleStep: true, steps: [step] },
    ]);
    const outcome = await harness.platform.engine.commit.apply(runId, version, {
      kind: "perform",
      stepIndex: 0,
      itemIndex: -1,
      attempt: 1,
      token: "00000000-0000-4000-8000-000000000000",
      workerId: "00000000-0000-4000-8000-000000000000",
      sandboxLevel: "none",
      inputs: {},
      output: {},
    });
    expect(outcome.refusal).toEqual({ reason: "ended" });
    expect((await harness.waitForEnd(runId)).last_seq).toBe(run.last_seq);
  });
});
