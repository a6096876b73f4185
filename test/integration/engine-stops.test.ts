import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { createReconciler } from "../../src/services/engine/reconciler.js";
import { buildPlan } from "../support/build-plan.js";
import { BACKENDS, type EngineHarness, openEngineHarness } from "../support/engine-harness.js";

// what is shown here lies above the queue: one backend is enough
describe.each(BACKENDS.slice(-1))("stops of runs, on $name", ({ redisUrl }) => {
  let harness: EngineHarness;

  beforeAll(async () => {
    harness = await openEngineHarness(redisUrl);
  });
  afterAll(async () => harness?.close());

  const first = { stepIndex: 0, itemIndex: -1 };
  const claim = () => {
    const worker = { token: crypto.randomUUID(), workerId: newId(), sandboxLevel: "process" };
    return { kind: "claim", ...first, attempt: 1, ...worker } as const;
  };
  const apply = async (runId: string, versionId: string, transition: object) =>
    await harness.platform.engine.commit.apply(runId, versionId, transition as never);
  const rowOf = async (runId: string) =>
    await harness.platform.knex("workflow_runs").first("*").where("id", runId);
  const steps = [{ id: "work" }, { id: "clean", phase: "finally" }] as const;

  it("gives finally its fifteen minutes when a run is claimed and stopped in one flush", async () => {
    const versionId = await harness.saveVersion(buildPlan(steps, { timeoutSeconds: 5 }));
    const runId = await harness.startRun(versionId);
    await Promise.all([apply(runId, versionId, claim()), apply(runId, versionId, { kind: "cancel" })]);
    const run = await rowOf(runId);
    expect(run).toMatchObject({ ending: "canceled", step_states: "cq" });
    expect(run.deadline_at.getTime() - run.started_at.getTime()).toBe(15 * 60_000);
  });

  it("takes two reconcilers that see the same deadline for one stop", async () => {
    const versionId = await harness.saveVersion(buildPlan(steps, { timeoutSeconds: 60 }));
    const runId = await harness.startRun(versionId);
    await apply(runId, versionId, claim());
    await harness.platform
      .knex("workflow_runs")
      .where("id", runId)
      .update({ deadline_at: new Date(0) });
    const [one, other] = [createReconciler(harness.platform), createReconciler(harness.platform)];
    await Promise.all([one.reconcile(), other.reconcile()]);
    expect(await rowOf(runId)).toMatchObject({ ending: "failed", step_states: "cq", finished_at: null });
    // their own fifteen minutes over, finally steps are ended
    await harness.platform
      .knex("workflow_runs")
      .where("id", runId)
      .update({ deadline_at: new Date(0) });
    await one.reconcile();
    expect(await rowOf(runId)).toMatchObject({ status: "failed", step_states: "cc" });
  });
});
