import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { buildPlan } from "../support/build-plan.js";
import {
  BACKENDS,
  type EngineHarness,
  openEngineHarness,
  saveScript,
  waitUntil,
} from "../support/engine-harness.js";

describe.each(BACKENDS)("the engine on $name", ({ redisUrl }) => {
  let harness: EngineHarness;

  beforeAll(async () => {
    harness = await openEngineHarness(redisUrl);
    await harness.startWorker();
  });
  afterAll(async () => harness?.close());

  async function runPlan(...args: Parameters<typeof buildPlan>) {
    const runId = await harness.startRun(await harness.saveVersion(buildPlan(...args)), {
      n: 3,
      name: "ada",
    });
    return { runId, run: await harness.waitForEnd(runId) };
  }

  it("runs a diamond, each step once, with a gap-free sequence", async () => {
    const value = (n: number) => ({ inputs: { n: { value: n } } });
    const { runId, run } = await runPlan([
      { id: "a", ...value(1) },
      { id: "b", after: ["a"], ...value(2) },
      { id: "c", after: ["a"], ...value(3) },
      {
        id: "d",
        after: ["b", "c"],
        inputs: { b: { step: "b", output: "/n" }, c: { step: "c", output: "/n" } },
      },
    ]);
    expect(run).toMatchObject({ status: "succeeded", output: { d: { b: 2, c: 3 } } });
    const events = await harness.events(runId);
    expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
    for (const id of ["a", "b", "c", "d"]) {
      const own = events.filter((event) => event.step_id === id).map((event) => event.type);
      expect(own).toEqual(["step.queued", "step.started", "step.succeeded"]);
    }
    expect(events.at(0)?.type).toBe("run.queued");
    expect(events.at(-1)?.type).toBe("run.succeeded");
  });

  it("maps inputs of every kind, and a run's outputs", async () => {
    await harness.platform.secrets.put(
      {
        actor: { type: "system", userId: null, name: "test", role: "admin" },
        origin: { requestId: "t", address: null },
      },
      "API_TOKEN",
      { value: "s3cret-value" },
    );
    const { runId, run } = await runPlan(
      [
        {
          id: "a",
          inputs: {
            whole: { input: "" },
            name: { input: "/name" },
            missing: { input: "/nothing" },
            fixed: { value: [1, { two: 2 }] },
            token: { secret: "API_TOKEN" },
            label: { expression: "$uppercase(input.name) & '-' & run.workflow" },
          },
        },
        {
          id: "b",
          after: ["a"],
          inputs: {
            from: { step: "a", output: "/fixed/1/two" },
            twice: { expression: "steps.a.output.fixed[0] * 2" },
          },
        },
      ],
      {
        outputs: {
          two: { step: "b", output: "/from" },
          sum: { expression: "steps.b.output.twice + input.n" },
        },
      },
    );
    expect(run).toMatchObject({ status: "succeeded", output: { two: 2, sum: 5 } });
    const step = await harness.platform.knex("step_runs").where({ run_id: runId, step_id: "a" }).first();
    expect(step.inputs).toEqual({
      whole: { n: 3, name: "ada" },
      name: "ada",
      fixed: [1, { two: 2 }],
      token: "••••••",
      label: "ADA-test",
    });
    expect(JSON.stringify(step.output)).not.toContain("s3cret-value");
  });

  it("skips a step whose condition is false, without starting it", async () => {
    const { runId, run } = await runPlan([
      { id: "a" },
      { id: "no", after: ["a"], when: "input.n > 5" },
      { id: "yes", after: ["a"], when: "input.n = 3" },
      { id: "after-no", after: ["no"] },
      { id: "join", after: ["no", "yes"], runAfter: "allDone" },
    ]);
    expect(run).toMatchObject({ status: "succeeded", step_states: "sksks" });
    const states = Object.fromEntries(
      (await harness.platform.knex("step_runs").where("run_id", runId)).map((row) => [
        row.step_id,
        row.status,
      ]),
    );
    expect(states).toEqual({
      a: "succeeded",
      no: "skipped",
      yes: "succeeded",
      "after-no": "skipped",
      join: "succeeded",
    });
    expect(
      (await harness.events(runId)).some((event) => event.step_id === "no" && event.type === "step.started"),
    ).toBe(false);
  });

  it("retries with backoff, then fails with the step's error; the rest of the graph follows its rules", async () => {
    const target = await saveScript(
      harness.platform,
      "python_script",
      "def main():\n    raise ValueError('no luck')\n",
    );
    const retry = {
      maxAttempts: 3,
      backoff: "fixed",
      delaySeconds: 0.2,
      maxDelaySeconds: 1,
      jitter: false,
    } as const;
    const { runId, run } = await runPlan([
      { id: "bad", target, retry },
      { id: "after", after: ["bad"] },
      { id: "always", after: ["after"], runAfter: "allDone" },
      { id: "handler", after: ["after"], runAfter: "anyFailed" },
      { id: "apart" },
    ]);
    expect(run.status).toBe("failed");
    expect(run.error).toMatchObject({ code: "script_error", stepId: "bad", attempt: 3 });
    expect(run.error?.message).toContain("no luck");
    const events = await harness.events(runId);
    expect(events.filter((event) => event.type === "step.retrying").map((event) => event.attempt)).toEqual([
      1, 2,
    ]);
    const rows = await harness.platform.knex("step_runs").where("run_id", runId).orderBy("step_index");
    expect(rows.map((row) => row.status)).toEqual([
      "failed",
      "skipped",
      "succeeded",
      "succeeded",
      "succeeded",
    ]);
    expect(rows[1].error).toMatchObject({ code: "dependency_failed" });
    const attempts = await harness.platform.knex("step_attempts").where("run_id", runId).orderBy("attempt");
    expect(attempts.map((row) => row.attempt)).toEqual([1, 2]);
  });

  it("goes on after a tolerated failure", async () => {
    const target = await saveScript(
      harness.platform,
      "python_script",
      "def main():\n    raise ValueError('no')\n",
    );
    const { run } = await runPlan([
      { id: "bad", target, onError: "continue" },
      { id: "after", after: ["bad"], inputs: { seen: { expression: "steps.bad.error.code" } } },
    ]);
    expect(run).toMatchObject({
      status: "succeeded",
      error: null,
      output: { after: { seen: "script_error" } },
    });
  });

  it("holds a component to the schemas of its input and output", async () => {
    const number = { type: "object", properties: { n: { type: "number" } }, required: ["n"] };
    const code = "def main(n, give):\n    return {'n': give}\n";
    const target = await saveScript(harness.platform, "python_script", code, {
      inputSchema: number,
      outputSchema: number,
    });
    const give = (n: number | string, value: number | string) => ({
      inputs: { n: { value: n }, give: { value } },
      target,
      onError: "continue" as const,
    });
    const { runId } = await runPlan([
      { id: "good", ...give(1, 2) },
      { id: "bad-input", ...give("one", 2) },
      { id: "bad-output", ...give(1, "two") },
    ]);
    const rows = await harness.platform.knex("step_runs").where("run_id", runId).orderBy("step_index");
    expect(rows.map((row) => row.error?.code ?? row.output)).toEqual([
      { n: 2 },
      "invalid_input",
      "invalid_output",
    ]);
    expect(rows[2].error.details.errors).toEqual([{ path: "/n", message: expect.any(String) }]);
  });

  it("fails an execution that takes too long, and kills it", async () => {
    const target = await saveScript(
      harness.platform,
      "python_script",
      "import time\ndef main():\n    time.sleep(30)\n",
    );
    const { run } = await runPlan([{ id: "slow", target, timeoutSeconds: 1 }]);
    expect(run).toMatchObject({ status: "failed", error: { code: "timeout", stepId: "slow" } });
  });

  it("fails a run that takes too long", async () => {
    const target = await saveScript(
      harness.platform,
      "python_script",
      "import time\ndef main():\n    time.sleep(30)\n",
    );
    const { run } = await runPlan(
      [
        { id: "slow", target },
        { id: "after", after: ["slow"] },
      ],
      { timeoutSeconds: 1 },
    );
    expect(run).toMatchObject({ status: "failed", error: { code: "timeout" } });
  });

  it("fails a step that no worker takes in time", async () => {
    const { run } = await runPlan([{ id: "lonely", workerGroup: "nobody", queueTimeoutSeconds: 1 }]);
    expect(run).toMatchObject({ status: "failed", error: { code: "timeout", stepId: "lonely" } });
  });

  it("cancels: running processes die, what waits never starts", async () => {
    const target = await saveScript(
      harness.platform,
      "python_script",
      "import time\ndef main():\n    print('up', flush=True)\n    time.sleep(60)\n",
    );
    const runId = await harness.startRun(
      await harness.saveVersion(
        buildPlan([
          { id: "slow", target },
          { id: "after", after: ["slow"] },
        ]),
      ),
    );
    await waitUntil(async () => (await harness.events(runId)).some((event) => event.type === "step.log"));
    const version = await harness.platform
      .knex("workflow_runs")
      .first("workflow_version_id")
      .where("id", runId);
    await harness.platform.engine.commit.apply(runId, version.workflow_version_id, { kind: "cancel" });
    expect((await harness.waitForEnd(runId)).status).toBe("canceled");
    const events = await harness.events(runId);
    expect(events.at(-1)?.type).toBe("run.canceled");
    await waitUntil(async () => (await harness.platform.metrics.stepsRunning.get()).values[0]?.value === 0);
    expect(await harness.events(runId)).toHaveLength(events.length);
  });

  it("holds a delayed run back", async () => {
    const startedAt = Date.now();
    const runId = await harness.startRun(await harness.saveVersion(buildPlan([{ id: "a" }])), {}, 1200);
    await harness.waitForEnd(runId);
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(1150);
  });

  it("runs a graph of 1,000 steps, 10 wide and 100 deep", async () => {
    const drafts = Array.from({ length: 1000 }, (_, index) => ({
      id: `s${index}`,
      after:
        index < 10
          ? []
          : [`s${index - 10}`, `s${index - 10 - (index % 10) + ((index + 3) % 10)}`].filter(
              (id, at, all) => all.indexOf(id) === at,
            ),
    }));
    const runId = await harness.startRun(await harness.saveVersion(buildPlan(drafts)));
    const run = await harness.waitForEnd(runId, 50_000);
    expect(run.status).toBe("succeeded");
    expect(run.step_states).toBe("s".repeat(1000));
    expect(run.last_seq).toBe(3 + 3 * 1000);
  });

  it("keeps the run's states and its steps' statuses alike", async () => {
    const wrong = await harness.platform.knex.raw(`
      SELECT r.id FROM workflow_runs r JOIN step_runs s ON s.run_id = r.id
      WHERE translate(substr(r.step_states, s.step_index + 1, 1), 'pqrwsfokdc', 'pqrwsffkkc') <>
        CASE s.status WHEN 'pending' THEN 'p' WHEN 'queued' THEN 'q' WHEN 'running' THEN 'r' WHEN 'waiting' THEN 'w'
          WHEN 'succeeded' THEN 's' WHEN 'failed' THEN 'f' WHEN 'skipped' THEN 'k' ELSE 'c' END`);
    expect(wrong.rows).toEqual([]);
  });
});
