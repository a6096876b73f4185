import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { KEPT_AWAY_SECONDS, WATCH_SECONDS } from "../../src/services/engine/lost-steps.js";
import { createReconciler } from "../../src/services/engine/reconciler.js";
import { WORKER_LEASE_SECONDS } from "../../src/services/engine/worker-registry.js";
import { buildPlan } from "../support/build-plan.js";
import { type EngineHarness, openEngineHarness } from "../support/engine-harness.js";

const KEY = { stepIndex: 0, itemIndex: -1 };
/** Longer than a suspect is watched, and shorter than it is kept away. */
const WATCHED_SECONDS = WATCH_SECONDS + 1;
const FAULT = { code: "script_error", message: "no" } as const;
const RETRY = {
  maxAttempts: 3,
  backoff: "fixed",
  delaySeconds: 15,
  maxDelaySeconds: 60,
  jitter: false,
} as const;

/** Whom the reconciler takes for what kills workers. Rows stand for workers here; `faults-poison.test.ts` has real ones. */
describe("steps under which workers die", () => {
  let harness: EngineHarness;
  let versionId: string;

  beforeAll(async () => {
    harness = await openEngineHarness(undefined);
    versionId = await harness.saveVersion(buildPlan([{ id: "a", retry: RETRY }]));
    // a database that has just started gives its workers the time of a lease to come back
    const { rows } = await harness.platform.knex.raw(
      "SELECT extract(epoch FROM now() - pg_postmaster_start_time())::float AS age",
    );
    await sleep(Math.max(0, WORKER_LEASE_SECONDS + 1 - rows[0].age) * 1000);
  });
  afterEach(async () => {
    const { knex } = harness.platform;
    await knex("workflow_runs").update({ finished_at: new Date(), status: "canceled" });
    await knex("step_runs").delete();
    await knex("workers").delete();
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

  /** A worker takes a step, whose time has come. @returns the token. */
  async function claim(runId: string, workerId: string): Promise<string> {
    const { knex, engine } = harness.platform;
    await knex("step_runs").where("run_id", runId).update("available_at", knex.fn.now());
    const { attempt } = await readStep(runId);
    const token = randomUUID();
    const claimed = { kind: "claim", ...KEY, attempt, token, workerId, sandboxLevel: "none" } as const;
    expect((await engine.commit.apply(runId, versionId, claimed)).refusal).toBeUndefined();
    return token;
  }

  const endLease = (id: string) =>
    harness.platform.knex("workers").where({ id }).update("lease_until", harness.platform.knex.fn.now());

  /** A worker takes these steps, one after the other, and dies. */
  async function die(...runIds: readonly string[]): Promise<void> {
    const workerId = await addWorker();
    for (const runId of runIds) await claim(runId, workerId);
    await endLease(workerId);
    await reconcile();
  }

  /** A worker that lives takes a step and ends it. */
  async function end(runId: string, kind: "succeed" | "fail"): Promise<string> {
    const workerId = await addWorker();
    const ended = { ...KEY, token: await claim(runId, workerId) };
    const { commit } = harness.platform.engine;
    if (kind === "succeed") await commit.apply(runId, versionId, { kind, ...ended, output: 1 });
    else await commit.apply(runId, versionId, { kind, ...ended, error: FAULT, isRetryable: true });
    return workerId;
  }

  /** Time passes, as far as a step that is kept away can tell. */
  async function watch(runId: string): Promise<void> {
    const earlier = harness.platform.knex.raw("available_at - make_interval(secs => ?)", [WATCHED_SECONDS]);
    await harness.platform.knex("step_runs").where("run_id", runId).update("available_at", earlier);
    await reconcile();
  }

  const keptAway = { status: "queued", lost_count: 2, delay_seconds: KEPT_AWAY_SECONDS };
  const back = { status: "queued", lost_count: 2, delay_seconds: 0 };
  const convicted = { status: "failed", code: "worker_lost", attempt: 3 };

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

  it("are kept away after the second death, and fail when nobody else dies", async () => {
    const cause = await start();
    await die(cause);
    await die(cause);
    expect(await readStep(cause)).toMatchObject(keptAway);
    await reconcile();
    expect(await readStep(cause)).toMatchObject(keptAway);
    await watch(cause);
    expect(await readStep(cause)).toMatchObject(convicted);
    expect(await harness.waitForEnd(cause)).toMatchObject({
      status: "failed",
      error: { code: "worker_lost" },
    });
  });

  it("do not fail before those have ended that were lost with them both times: it may have been one of these", async () => {
    const [near, last] = [await start(), await start()];
    await die(near, last);
    await die(near, last);
    expect(await readStep(near)).toMatchObject(back);
    expect(await readStep(last)).toMatchObject(keptAway);
    await watch(last);
    expect(await readStep(last)).toMatchObject({ status: "queued" });
    await end(near, "succeed");
    await reconcile();
    expect(await readStep(last)).toMatchObject(convicted);
  });

  it("do not fail when one that was lost with them takes the next worker", async () => {
    const [near, last] = [await start(), await start()];
    await die(near, last);
    await die(near, last);
    await die(near);
    expect(await readStep(near)).toMatchObject(convicted);
    await watch(last);
    expect(await readStep(last)).toMatchObject({ status: "queued" });
  });

  it("are not kept away when a worker has died without them", async () => {
    const [step, other] = [await start(), await start()];
    await die(other);
    await die(step);
    await die(step);
    expect(await readStep(step)).toMatchObject(back);
  });

  it("do not fail when one dies without them meanwhile", async () => {
    const [step, other] = [await start(), await start()];
    await die(step);
    await die(step);
    expect(await readStep(step)).toMatchObject(keptAway);
    await die(other);
    await watch(step);
    expect(await readStep(step)).toMatchObject({ status: "queued", attempt: 3, lost_count: 2 });
  });

  it("do not fail when a worker of theirs was only out of reach, or died more than an hour ago", async () => {
    const { knex } = harness.platform;
    const [step, other] = [await start(), await start()];
    await die(step);
    const [first] = await knex("workers").select("id");
    await die(step);
    await knex("workers")
      .where("id", first.id)
      .update("lease_until", knex.raw("now() + interval '1 minute'"));
    await watch(step);
    expect(await readStep(step)).toMatchObject({ status: "queued", lost_count: 2 });
    await knex("workers").delete();
    await die(other);
    await knex("workers").delete(); // as is done with the rows of those long gone
    await die(other);
    expect(await readStep(other)).toMatchObject(back);
  });

  it("are not kept away when a worker has died without them where a try of theirs had failed before", async () => {
    const step = await start();
    await endLease(await end(step, "fail"));
    await die(step);
    await die(step);
    expect(await readStep(step)).toMatchObject(back);
  });

  it("fail at the third death, whatever else has died", async () => {
    const [step, other] = [await start(), await start()];
    await die(other);
    for (let death = 1; death <= 3; death += 1) await die(step);
    expect(await readStep(step)).toMatchObject(convicted);
  });

  it("are not taken for the cause while they wait because a try has failed since", async () => {
    const step = await start();
    await die(step);
    await die(step);
    await end(step, "fail");
    expect((await readStep(step)).delay_seconds).toBe(RETRY.delaySeconds);
    await watch(step);
    expect(await readStep(step)).toMatchObject({ status: "queued", attempt: 4 });
  });
});
