import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { Redis } from "ioredis";
import { systemActor } from "../../src/core/actor.js";
import { newId } from "../../src/core/ids.js";
import { openScheduleQueue } from "../../src/queues/schedule-queue.js";
import { openScheduleWorker } from "../../src/queues/schedule-worker.js";
import { createRunServices } from "../../src/run-services.js";
import { createScheduleFiring } from "../../src/services/scheduling/fire-schedules.js";
import { createSchedules, type Schedules } from "../../src/services/scheduling/schedules.js";
import { createHintSync } from "../../src/services/scheduling/sync-hints.js";
import { type Scheduler, startScheduler } from "../../workers/scheduler.js";
import { BACKENDS, type EngineHarness, openEngineHarness } from "../support/engine-harness.js";
import { eventually } from "../support/eventually.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BY = { actor: systemActor("test"), origin: { requestId: "test", address: null } };
const sleep = async (ms: number) => await new Promise((resolve) => setTimeout(resolve, ms));

interface ScheduledRun {
  readonly id: string;
  readonly trigger: string;
  readonly scheduled_for: Date;
  readonly created_at: Date;
}

describe.each(BACKENDS)("firing schedules on $name", ({ redisUrl }) => {
  let harness: EngineHarness;
  let schedules: Schedules;
  let schedulers: Scheduler[] = [];
  let children: ChildProcess[] = [];

  beforeAll(async () => {
    harness = await openEngineHarness(redisUrl);
    const { knex, audit, evaluator } = harness.platform;
    const { workflows, commands } = createRunServices(harness.platform);
    schedules = createSchedules({ knex, audit, evaluator, commands, versions: workflows });
    await workflows.create(
      { name: "noop", definition: { steps: [{ id: "a", uses: "builtin:noop" }] } } as never,
      BY,
    );
  });
  afterAll(async () => await harness?.close());
  beforeEach(async () => {
    const { knex, queues } = harness.platform;
    await knex("schedules").delete();
    await createHintSync({ knex, queue: openScheduleQueue(queues) })();
  });
  afterEach(async () => {
    await Promise.all(schedulers.map(async (scheduler) => await scheduler.close()));
    await Promise.all(children.map(kill));
    schedulers = [];
    children = [];
  });

  const make = async (body: object): Promise<string> => {
    const whole = { timezone: "UTC", input: {}, enabled: true, overlap: "allow", catchUp: "none", ...body };
    return (
      await schedules.create({ name: newId().replaceAll("-", "x"), workflow: "noop", ...whole } as never, BY)
    ).id;
  };
  const start = async () => void schedulers.push(await startScheduler(harness.platform));
  const row = async (id: string) => await harness.platform.knex("schedules").where({ id }).first();
  const runsOf = async (id: string): Promise<ScheduledRun[]> =>
    await harness.platform.knex("workflow_runs").where("schedule_id", id).orderBy("scheduled_for");
  /** Every run is for another due time, and none is missing between the first and the last. */
  const expectGapless = (runs: readonly ScheduledRun[], stepMs: number) => {
    const due = runs.map((run) => run.scheduled_for.getTime());
    expect(due).toEqual(due.map((_, index) => (due[0] ?? 0) + index * stepMs));
  };
  /** As if no scheduler had run for so long. */
  const setBack = async (id: string, interval: string) =>
    await harness.platform.knex.raw(
      "UPDATE schedules SET next_due_at = next_due_at - ?::interval, anchor_at = anchor_at - ?::interval WHERE id = ?",
      [interval, interval, id],
    );

  function spawnScheduler(): ChildProcess {
    const child = spawn(process.execPath, ["dist/src/cli/main.js", "scheduler"], {
      cwd: ROOT,
      env: { PATH: process.env["PATH"], ...harness.environment },
      stdio: ["ignore", "inherit", "inherit"],
    });
    children.push(child);
    return child;
  }

  async function wipeQueue(): Promise<void> {
    const { prefix } = harness.database;
    if (redisUrl) {
      const redis = new Redis(redisUrl);
      const keys = await redis.keys(`*${prefix}*`);
      expect(keys.length).toBeGreaterThan(0);
      await redis.del(...keys);
      await redis.quit();
      return;
    }
    await harness.platform.knex.raw(`TRUNCATE ${prefix}_queues.scheduler, ${prefix}_queues.job CASCADE`);
  }

  it("fires each second once, by three processes of which two are killed", async () => {
    const id = await make({ cron: "* * * * * *" });
    const victims = [spawnScheduler(), spawnScheduler()];
    spawnScheduler();
    for (const victim of victims) {
      const before = (await runsOf(id)).length;
      await eventually("three more runs", async () => (await runsOf(id)).length >= before + 3, 30_000);
      await kill(victim);
    }
    const killedAt = Date.now();
    await eventually(
      "the last one takes over",
      async () => ((await runsOf(id)).at(-1)?.scheduled_for.getTime() ?? 0) > killedAt + 3000,
      25_000,
    );
    await schedules.pause(id, BY);
    const runs = await runsOf(id);
    expect(runs.length).toBeGreaterThanOrEqual(6);
    expectGapless(runs, 1000);
    expect(new Set(runs.map((run) => run.trigger))).toEqual(new Set(["schedule"]));
  }, 120_000);

  it("is fired by the queue's job schedulers, without anybody looking at the rows", async () => {
    const { knex, queues, logger } = harness.platform;
    const ids = [
      await make({ everySeconds: 2 }),
      await make({ cron: "*/2 * * * * *", timezone: "Asia/Tokyo" }),
    ];
    const queue = openScheduleQueue(queues);
    const syncHints = createHintSync({ knex, queue });
    const { commands } = createRunServices(harness.platform);
    const { fire } = createScheduleFiring({ knex, commands, logger });
    const worker = await openScheduleWorker({ backend: queues, logger, fire });
    try {
      expect(await syncHints()).toBe(2);
      expect(await syncHints()).toBe(0);
      for (const id of ids) {
        await eventually("four runs", async () => (await runsOf(id)).length >= 4, 20_000);
        expectGapless(await runsOf(id), 2000);
      }
      await schedules.update(ids[0] ?? "", { everySeconds: 3600 }, undefined, BY);
      await schedules.pause(ids[1] ?? "", BY);
      expect(await syncHints()).toBe(2);
      expect(await queue.list()).toMatchObject([{ scheduleId: ids[0] }]);
    } finally {
      await worker.close({ drainMs: 1000 });
      await Promise.all(ids.map(queue.remove));
    }
  }, 60_000);

  it("goes on when the queue is wiped", async () => {
    const id = await make({ everySeconds: 3 });
    const queue = openScheduleQueue(harness.platform.queues);
    await start();
    await eventually("a job scheduler", async () => (await queue.count()) === 1);
    await wipeQueue();
    const wipedAt = Date.now();
    expect(await queue.count()).toBe(0);
    await eventually("another job scheduler", async () => (await queue.count()) === 1, 15_000);
    await eventually(
      "runs after the wipe",
      async () => ((await runsOf(id)).at(-1)?.scheduled_for.getTime() ?? 0) > wipedAt + 3000,
    );
    expectGapless(await runsOf(id), 3000);
    await schedules.remove(id, BY);
    await eventually("no job scheduler", async () => (await queue.count()) === 0);
  }, 90_000);

  it.each([
    ["none", 0],
    ["latest", 1],
    ["all", 10],
  ])("after ten minutes without a scheduler catches up on %s: %d runs", async (catchUp, count) => {
    const id = await make({ everySeconds: 60, catchUp });
    await setBack(id, "10 minutes 5 seconds");
    await start();
    const now = Date.now();
    await eventually("a due time in the future", async () => (await row(id)).next_due_at > now);
    const runs = await runsOf(id);
    expect(runs).toHaveLength(count);
    expectGapless(runs, 60_000);
    const { last_run_id: lastRunId, last_skipped_reason: reason } = await row(id);
    expect(lastRunId).toBe(runs.at(-1)?.id ?? null);
    expect(reason).toEqual(catchUp === "all" ? null : expect.stringContaining("missed"));
  });

  it("fires once what a process that died had begun", async () => {
    const { knex } = harness.platform;
    const id = await make({ everySeconds: 3600 });
    await setBack(id, "3600 seconds");
    const before = await row(id);
    await start();
    await eventually("a run", async () => (await runsOf(id)).length === 1);
    await eventually("its end", async () => (await row(id)).lease_token === null);
    // as if it had died between the run's commit and its own note of it
    await knex("schedules").where({ id }).update({ next_due_at: before.next_due_at, last_run_id: null });
    await eventually("another look", async () => (await row(id)).last_run_id !== null);
    expect(await runsOf(id)).toHaveLength(1);
  });

  it("skips a due time, or holds one, while an earlier run goes on", async () => {
    const [skipping, holding] = [
      await make({ cron: "* * * * * *", overlap: "skip" }),
      await make({ cron: "* * * * * *", overlap: "queue" }),
    ];
    const { commands } = createRunServices(harness.platform);
    await start();
    await eventually("both are held up", async () => {
      const rows = [await row(skipping), await row(holding)];
      return rows.every((one) => one.last_skipped_at !== null);
    });
    const waiting = (await row(holding)).waiting_due_at as Date;
    expect(waiting).not.toBeNull();
    expect((await row(skipping)).last_skipped_reason).toBe("an earlier run had not ended");
    await sleep(2000);
    for (const id of [skipping, holding]) {
      const runs = await runsOf(id);
      expect(runs).toHaveLength(1);
      await commands.cancel(runs[0]?.id ?? "", BY.actor, BY.origin);
    }
    await eventually("the next ones", async () => {
      const both = await Promise.all([runsOf(skipping), runsOf(holding)]);
      return both.every((runs) => runs.length === 2);
    });
    expect((await runsOf(holding))[1]?.scheduled_for).toEqual(waiting);
  }, 30_000);

  it("skips what the workflow refuses, and says why", async () => {
    const id = await make({ cron: "* * * * * *" });
    await harness.platform
      .knex("workflow_definitions")
      .where("name", "noop")
      .update({ published_version: null });
    await start();
    await eventually("a reason", async () => (await row(id)).last_skipped_reason !== null);
    expect((await row(id)).last_skipped_reason).toContain("no published version");
    await harness.platform
      .knex("workflow_definitions")
      .where("name", "noop")
      .update({ published_version: 1 });
    await eventually("a run", async () => (await runsOf(id)).length > 0);
  });
});

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
}
