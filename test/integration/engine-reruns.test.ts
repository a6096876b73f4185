import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Actor } from "../../src/core/actor.js";
import type { RunPlan } from "../../src/core/plan.js";
import { createRunCommands } from "../../src/services/engine/run-commands.js";
import { createRunQueries } from "../../src/services/runs/run-queries.js";
import { buildPlan } from "../support/build-plan.js";
import { BACKENDS, type EngineHarness, openEngineHarness, saveScript } from "../support/engine-harness.js";
import { saveWorkflow, startHeld } from "../support/flow-control.js";

const origin = { requestId: "r", address: null };
const operator: Actor = { type: "system", userId: null, name: "operator", role: "operator" };
const LARGE = 400_000;

// reruns lie above the queue: one backend is enough
describe.each(BACKENDS.slice(-1))("what a rerun takes over, on $name", ({ redisUrl }) => {
  let harness: EngineHarness;

  beforeAll(async () => {
    harness = await openEngineHarness(redisUrl);
    await harness.startWorker();
  });
  afterAll(async () => harness?.close());

  const commands = () => {
    const never = async () => Promise.reject(new Error("not used"));
    return createRunCommands({
      ...harness.platform,
      versions: { resolveForRun: never, ensureTestVersion: never },
    });
  };
  const queries = () => createRunQueries({ ...harness.platform, plans: harness.platform.engine.plans });

  /** A run whose outputs could not be mapped: all its steps have succeeded, and it has failed. */
  async function failedRun(plan: RunPlan): Promise<string> {
    const runId = await startHeld(harness.platform, await saveWorkflow(harness.platform, plan));
    expect((await harness.waitForEnd(runId)).status).toBe("failed");
    return runId;
  }

  it("ends at once when that is everything, also where outputs are mapped", async () => {
    const first = await failedRun(
      buildPlan([{ id: "a" }, { id: "b", after: ["a"] }], {
        outputs: { broken: { expression: '$error("no")' } },
      }),
    );
    const { runId } = await commands().rerun(first, {}, operator, origin);
    // answered only once it has ended: nobody has to come by for it
    expect(await harness.platform.knex("workflow_runs").first("status").where("id", runId)).toEqual({
      status: "failed",
    });
  });

  it("shows large outputs and files of steps as the first run does, and outlives it", async () => {
    const script = await saveScript(
      harness.platform,
      "python_script",
      `import os\ndef main():\n  os.makedirs("artifacts", exist_ok=True)\n  open("artifacts/a.txt", "w").write("a")\n  return {"text": "x" * ${LARGE}}\n`,
    );
    const plan = buildPlan([
      { id: "large", target: script },
      { id: "size", after: ["large"], inputs: { n: { expression: "$length(steps.large.output.text)" } } },
      { id: "fails", after: ["size"], inputs: { boom: { expression: '$error("no")' } } },
    ]);
    const first = await failedRun(plan);
    const rerun = await commands().rerun(first, { from: "size" }, operator, origin);
    expect((await harness.waitForEnd(rerun.runId)).step_states).toBe("ssf");
    const stepsOf = async (runId: string) => (await queries().steps(runId, { limit: 10 })).items;
    const [[before], [after, size]] = [await stepsOf(first), await stepsOf(rerun.runId)];
    expect(JSON.stringify(after?.output)).toHaveLength(LARGE + 11);
    expect(after?.artifacts).toMatchObject([{ name: "a.txt" }]);
    expect(after?.artifacts?.[0]?.sha256).toBe(before?.artifacts?.[0]?.sha256);
    expect(size?.output).toEqual({ n: LARGE });
    expect(size?.inputs).toEqual({ n: LARGE });
    // retention may take the first run away with all that is its own
    await harness.platform.knex("artifacts").where("run_id", first).delete();
    const [kept] = await stepsOf(rerun.runId);
    expect(JSON.stringify(kept?.output)).toHaveLength(LARGE + 11);
    expect(kept?.artifacts).toHaveLength(1);
  });

  it("puts large outputs into the run's own output", async () => {
    const script = await saveScript(
      harness.platform,
      "python_script",
      `def main():\n  return {"text": "y" * ${LARGE}}\n`,
    );
    const plan = buildPlan([{ id: "large", target: script }, { id: "small" }]);
    const first = await startHeld(harness.platform, await saveWorkflow(harness.platform, plan));
    expect((await harness.waitForEnd(first)).status).toBe("succeeded");
    const { runId } = await commands().rerun(first, { from: "small" }, operator, origin);
    expect((await harness.waitForEnd(runId)).status).toBe("succeeded");
    const { output } = await queries().get(runId);
    expect(output).toMatchObject({ large: { text: expect.stringMatching(/^y{10}/) }, small: {} });
    expect(JSON.stringify(output)).toHaveLength(LARGE + 32);
  });
});
