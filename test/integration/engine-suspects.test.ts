import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { createReconciler } from "../../src/services/engine/reconciler.js";
import { buildPlan } from "../support/build-plan.js";
import { type EngineHarness, openEngineHarness } from "../support/engine-harness.js";

const KEY = { stepIndex: 0, itemIndex: -1 };
/** Longer than a suspect is watched, and shorter than it is kept away. */
const WATCHED_SECONDS = 13;

/** Whom the reconciler takes for what kills workers. Rows stand for workers here; `faults-poison.test.ts` has real ones. */
describe("steps under which workers die", () => {
  let harness: EngineHarness;
  let versionId: string;

  beforeAll(async () => {
    harness = await openEngineHarness(undefined);
    versionId = await harness.saveVersion(buildPlan([{ id: "a" }]));
    // a database that has just started gives its workers the time of a lease to come back
    const { rows } = await harness.platform.knex.raw(
      "SELECT greatest(0, 13 - extract(epoch FROM now() - pg_postmaster_start_time()))::float AS s",
    );
    await new Promise((resolve) => setTimeout(resolve, rows[0].s * 1000));
  });
  afterEach(async () => {
    await harness.platform.knex("workflow_runs").update({ finished_at: new Date(), status: "canceled" });
    await harness.platform.knex("step_runs").delete();
    await harness.platform.knex("workers").delete();
  });
  afterAll(async () => harness?.close());

  const reconcile = () => createReconciler(harness.platform).reconcile();
  const start = () => harness.startRun(versionId);
  const readStep = async (runId: string) => {
    const { rows } = await harness.platform.knex.raw(
      `SELECT status, attempt, lost_count, error ->> 'code' AS code,
         extract(epoch FROM available_at - queued_at)::float AS delay_seconds FROM step_runs WHERE run_id = ?`,
      [runId],
    );
    return rows[0];
  };

  async function addWorker(): Promise<string> {
    const { knex } = harness.platform;
    const id = newId();
    const rest = {
      hostname: "h",
      pid: 1,
      groups: ["x"],
      concurrency: 9,
      sandbox_level: "none",
      version: "t",
    };
    await knex("workers").insert({ id, ...rest, lease_until: knex.raw("now() + interval '1 minute'") });
    return id;
  }

  /** A worker takes these steps, one after the other, and dies. */
  async function die(...runIds: readonly string[]): Promise<void> {
    const { knex, engine } = harness.platform;
    const workerId = await addWorker();
    for (const runId of runIds) {
      await knex("step_runs").where("run_id", runId).update("available_at", knex.fn.now());
      const { attempt } = await readStep(runId);
      const claim = { kind: "claim", ...KEY, attempt, token: randomUUID(), workerId } as const;
      const outcome = await engine.commit.apply(runId, versionId, { ...claim, sandboxLevel: "none" });
      expect(outcome.refusal).toBeUndefined();
    }
    await knex("workers").where("id", workerId).update("lease_until", knex.fn.now());
    await reconcile();
  }

  /** Time passes, as far as a step that is kept away can tell. */
  async function watch(runId: string): Promise<void> {
    const earlier = harness.platform.knex.raw("queued_at - make_interval(secs => ?)", [WATCHED_SECONDS]);
    await harness.platform.knex("step_runs").where("run_id", runId).update("queued_at", earlier);
    await reconcile();
  }

  it("come back at once, the one that started last a little later", async () => {
    const [first, second, last] = [await start(), await start(), await start()];
    await die(first, second, last);
    const delays = await Promise.all([first, second, last].map(readStep));
    expect(delays.map((step) => [step.lost_count, step.delay_seconds])).toEqual([
      [1, 0],
      [1, 0],
      [1, 2],
    ]);
    const alone = await start();
    await die(alone);
    expect(await readStep(alone)).toMatchObject({ lost_count: 1, delay_seconds: 0 });
  });

  it("are kept away after the second death if they started last, and fail when nobody else dies", async () => {
    const [near, cause] = [await start(), await start()];
    await die(near, cause);
    await die(near, cause);
    expect(await readStep(near)).toMatchObject({ status: "queued", lost_count: 2, delay_seconds: 0 });
    expect(await readStep(cause)).toMatchObject({ status: "queued", lost_count: 2, delay_seconds: 18 });
    await reconcile();
    expect(await readStep(cause)).toMatchObject({ status: "queued" });
    await watch(cause);
    expect(await readStep(cause)).toMatchObject({ status: "failed", code: "worker_lost", attempt: 3 });
    expect(await harness.waitForEnd(cause)).toMatchObject({
      status: "failed",
      error: { code: "worker_lost" },
    });
    expect(await readStep(near)).toMatchObject({ status: "queued" });
  });

  it("are not kept away when a worker has died without them", async () => {
    const [step, other] = [await start(), await start()];
    await die(other);
    await die(step);
    await die(step);
    expect(await readStep(step)).toMatchObject({ status: "queued", lost_count: 2, delay_seconds: 0 });
    await watch(step);
    expect(await readStep(step)).toMatchObject({ status: "queued" });
  });

  it("do not fail when one dies without them meanwhile", async () => {
    const [step, other] = [await start(), await start()];
    await die(step);
    await die(step);
    expect(await readStep(step)).toMatchObject({ delay_seconds: 18 });
    await die(other);
    await watch(step);
    expect(await readStep(step)).toMatchObject({ status: "queued", attempt: 3, lost_count: 2 });
  });

  it("fail at the third death, whatever else has died", async () => {
    const [step, other] = [await start(), await start()];
    await die(other);
    for (let death = 1; death <= 3; death += 1) await die(step);
    expect(await readStep(step)).toMatchObject({ status: "failed", code: "worker_lost", attempt: 3 });
  });

  it("are not taken for the cause when a try of theirs fails in between and is retried", async () => {
    const plan = buildPlan([
      {
        id: "a",
        retry: { maxAttempts: 3, backoff: "fixed", delaySeconds: 15, maxDelaySeconds: 60, jitter: false },
      },
    ]);
    versionId = await harness.saveVersion(plan);
    const step = await start();
    await die(step);
    await die(step);
    const { knex, engine } = harness.platform;
    await knex("step_runs").where("run_id", step).update("available_at", knex.fn.now());
    const [workerId, token] = [await addWorker(), randomUUID()];
    const claim = { kind: "claim", ...KEY, attempt: 3, token, workerId, sandboxLevel: "none" } as const;
    await engine.commit.apply(step, versionId, claim);
    const error = { code: "script_error", message: "no" } as const;
    await engine.commit.apply(step, versionId, { kind: "fail", ...KEY, token, error, isRetryable: true });
    expect((await readStep(step)).delay_seconds).toBeGreaterThan(10);
    await watch(step);
    expect(await readStep(step)).toMatchObject({ status: "queued", attempt: 4 });
  });
});
