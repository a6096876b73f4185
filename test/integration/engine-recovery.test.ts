import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Redis } from "ioredis";
import { newId } from "../../src/core/ids.js";
import { createReconciler } from "../../src/services/engine/reconciler.js";
import { createRunCommands } from "../../src/services/engine/run-commands.js";
import { buildPlan } from "../support/build-plan.js";
import {
  BACKENDS,
  type EngineHarness,
  openEngineHarness,
  saveScript,
  waitUntil,
} from "../support/engine-harness.js";

const TOKEN_A = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
const TOKEN_B = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";
const KEY = { stepIndex: 0, itemIndex: -1 };

describe.each(BACKENDS)("recovery on $name", ({ redisUrl }) => {
  let harness: EngineHarness;

  beforeAll(async () => {
    harness = await openEngineHarness(redisUrl);
  });
  afterAll(async () => harness?.close());

  function reconciler() {
    return createReconciler(harness.platform);
  }

  /** The queue loses all it has, as Redis without a disk does when it restarts. */
  async function wipeQueue(): Promise<void> {
    const { prefix } = harness.database;
    if (redisUrl) {
      const redis = new Redis(redisUrl);
      const keys = await redis.keys(`*${prefix}*`);
      if (keys.length > 0) await redis.del(...keys);
      await redis.quit();
      return;
    }
    const tables = await harness.platform.knex.raw(
      `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
       WHERE table_schema = ? AND table_type = 'BASE TABLE' AND table_name NOT LIKE '%migration%'`,
      [`${prefix}_queues`],
    );
    const names = tables.rows.map((row: { name: string }) => row.name);
    expect(names.length).toBeGreaterThan(0);
    await harness.platform.knex.raw(`TRUNCATE ${names.join(", ")}`);
  }

  async function age(runId: string): Promise<void> {
    await harness.platform
      .knex("step_runs")
      .where("run_id", runId)
      .update({ available_at: harness.platform.knex.raw("now() - interval '1 minute'"), checked_at: null });
  }

  const chain = () => buildPlan([{ id: "a" }, { id: "b", after: ["a"] }, { id: "c", after: ["b"] }]);

  it("brings runs back that a wiped queue has lost", async () => {
    const versionId = await harness.saveVersion(chain());
    const runIds = await Promise.all(Array.from({ length: 20 }, () => harness.startRun(versionId)));
    await wipeQueue();
    for (const runId of runIds) await age(runId);
    await reconciler().reconcile();
    const worker = await harness.startWorker();
    for (const runId of runIds) {
      expect((await harness.waitForEnd(runId)).status).toBe("succeeded");
      const started = (await harness.events(runId)).filter((event) => event.type === "step.started");
      expect(started).toHaveLength(3);
    }
    await worker.close(1000);
  });

  it("dispatches what was committed while the queue could not be reached", async () => {
    const { runQueue } = harness.platform;
    const enqueue = runQueue.enqueueRuns.bind(runQueue);
    runQueue.enqueueRuns = () => Promise.reject(new Error("out of reach"));
    const runId = await harness.startRun(await harness.saveVersion(chain()));
    runQueue.enqueueRuns = enqueue;
    await age(runId);
    await reconciler().reconcile();
    const worker = await harness.startWorker();
    expect((await harness.waitForEnd(runId)).status).toBe("succeeded");
    await worker.close(1000);
  });

  it("refuses the late result of a worker that was given up, and counts the loss as no attempt", async () => {
    const { knex, engine } = harness.platform;
    const versionId = await harness.saveVersion(buildPlan([{ id: "a" }]));
    const runId = await harness.startRun(versionId);
    const [lostWorker, liveWorker] = [newId(), newId()];
    for (const [id, lease] of [
      [lostWorker, "now() - interval '1 second'"],
      [liveWorker, "now() + interval '1 minute'"],
    ] as const) {
      await knex("workers").insert({
        id,
        hostname: "h",
        pid: 1,
        groups: ["x"],
        concurrency: 1,
        sandbox_level: "none",
        version: "t",
        lease_until: knex.raw(lease),
      });
    }
    const claim = (token: string, workerId: string, attempt: number) =>
      engine.commit.apply(runId, versionId, {
        kind: "claim",
        ...KEY,
        attempt,
        token,
        workerId,
        sandboxLevel: "none",
      });
    expect((await claim(TOKEN_A, lostWorker, 1)).refusal).toBeUndefined();
    expect((await claim(TOKEN_B, liveWorker, 1)).refusal).toEqual({ reason: "stale" });
    // a database that has just started gives its workers the time of a lease to come back
    await waitUntil(async () => {
      await reconciler().reconcile();
      return (await knex("step_runs").where("run_id", runId).first()).attempt === 2;
    }, 15_000);
    expect((await claim(TOKEN_B, liveWorker, 2)).refusal).toBeUndefined();
    const late = await engine.commit.apply(runId, versionId, {
      kind: "succeed",
      ...KEY,
      token: TOKEN_A,
      output: "late",
    });
    expect(late.refusal).toEqual({ reason: "stale" });
    await engine.commit.apply(runId, versionId, { kind: "succeed", ...KEY, token: TOKEN_B, output: "right" });
    expect(await harness.waitForEnd(runId)).toMatchObject({ status: "succeeded", output: { a: "right" } });
    const step = await knex("step_runs").where("run_id", runId).first();
    expect(step).toMatchObject({ attempt: 2, lost_count: 1 });
    const types = (await harness.events(runId)).map((event) => event.type);
    expect(types.filter((type) => type === "step.succeeded")).toHaveLength(1);
    await knex("workers").whereIn("id", [lostWorker, liveWorker]).delete();
  });

  it("closes a run whose last worker died between the last step and the outputs", async () => {
    const { knex, engine } = harness.platform;
    const versionId = await harness.saveVersion(
      buildPlan([{ id: "a" }], { outputs: { n: { step: "a", output: "/n" } } }),
    );
    const runId = await harness.startRun(versionId);
    const claim = {
      kind: "claim",
      ...KEY,
      attempt: 1,
      token: TOKEN_A,
      workerId: newId(),
      sandboxLevel: "none",
    } as const;
    await engine.commit.apply(runId, versionId, claim);
    const ended = await engine.commit.apply(runId, versionId, {
      kind: "succeed",
      ...KEY,
      token: TOKEN_A,
      output: { n: 7 },
    });
    expect(ended.isClosing).toBe(true);
    expect((await knex("workflow_runs").where("id", runId).first()).status).toBe("running");
    await reconciler().reconcile();
    expect(await harness.waitForEnd(runId)).toMatchObject({ status: "succeeded", output: { n: 7 } });
  });

  it("gives running steps back when a worker stops, and another runs them", async () => {
    const target = await saveScript(
      harness.platform,
      "python_script",
      "import time\ndef main():\n    print('up', flush=True)\n    time.sleep(3)\n    return 1\n",
    );
    const runId = await harness.startRun(await harness.saveVersion(buildPlan([{ id: "a", target }])));
    const first = await harness.startWorker();
    await waitUntil(async () => (await harness.events(runId)).some((event) => event.type === "step.log"));
    await first.close(0);
    const step = await harness.platform.knex("step_runs").where("run_id", runId).first();
    expect(step).toMatchObject({ status: "queued", attempt: 2, lost_count: 0, released_count: 1 });
    const second = await harness.startWorker();
    expect(await harness.waitForEnd(runId)).toMatchObject({ status: "succeeded", output: { a: 1 } });
    await second.close(1000);
  });

  it("starts one run for one idempotency key, also for twenty calls at once", async () => {
    const { knex, engine, runQueue, evaluator, audit, logger } = harness.platform;
    const versionId = await harness.saveVersion(buildPlan([{ id: "a" }]));
    const version = { workflowId: newId(), versionId, name: "idem", version: 1 };
    const versions = { resolveForRun: async () => version, ensureTestVersion: async () => version };
    const { admission, followOutcome } = harness.platform;
    const deps = { knex, engine, admission, followOutcome, runQueue, evaluator, audit, logger, versions };
    const commands = createRunCommands(deps);
    const actor = { type: "user", userId: newId(), name: "u", role: "operator" } as const;
    const origin = { requestId: "r", address: null };
    const start = (input: object, who = actor) =>
      commands.start(
        { workflow: "idem", input: input as never, trigger: "api", idempotencyKey: "k1" },
        who,
        origin,
      );
    const started = await Promise.all(Array.from({ length: 20 }, () => start({ n: 1 })));
    expect(new Set(started.map((run) => run.runId)).size).toBe(1);
    expect(started.filter((run) => !run.replayed)).toHaveLength(1);
    await expect(start({ n: 2 })).rejects.toMatchObject({ code: "INVALID_FIELDS" });
    const other = await start({ n: 1 }, { ...actor, userId: newId() });
    expect(other.runId).not.toBe(started[0]?.runId);
    expect(await knex("workflow_runs").where("workflow_version_id", versionId)).toHaveLength(2);
  });
});
