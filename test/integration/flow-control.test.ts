import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { loadSettings } from "../../src/config/load-settings.js";
import { openPlatform, type Platform } from "../../src/container.js";
import { newId } from "../../src/core/ids.js";
import type { RunPlan } from "../../src/core/plan.js";
import { createStepThrottle } from "../../src/services/engine/step-throttle.js";
import { createWorkflowPauses } from "../../src/services/workflow-definitions/workflow-pauses.js";
import { buildPlan } from "../support/build-plan.js";
import { BACKENDS, type EngineHarness, openEngineHarness, saveScript } from "../support/engine-harness.js";
import { eventually } from "../support/eventually.js";
import { endRun, saveWorkflow, slotHolders, startHeld } from "../support/flow-control.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const COMPILED = fileURLToPath(new URL("../../dist/", import.meta.url));

const oneStep = (rest: Partial<RunPlan>) => buildPlan([{ id: "only" }], rest);

describe.each(BACKENDS)("flow control on $name", ({ redisUrl }) => {
  let harness: EngineHarness;
  /** Stands in for another process: its own engine, pools and turns. */
  let other: Platform;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    harness = await openEngineHarness(redisUrl);
    other = await openOther();
  });
  afterAll(async () => {
    await Promise.all(children.map(kill));
    await other?.close();
    await harness?.close();
  });

  async function openOther(): Promise<Platform> {
    const { logger } = harness.platform;
    const settings = loadSettings({ environment: harness.environment });
    return await openPlatform({ settings, databaseUrl: harness.database.url, logger, role: "other" });
  }

  async function kill(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  function spawnProcess(args: string[]): ChildProcess {
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      env: { PATH: process.env["PATH"], ...harness.environment },
      stdio: ["ignore", "inherit", "inherit"],
    });
    children.push(child);
    return child;
  }

  const row = async (runId: string) =>
    await harness.platform.knex("workflow_runs").where("id", runId).first();
  const rows = async (runIds: readonly string[]) =>
    await harness.platform
      .knex("workflow_runs")
      .whereIn("id", [...runIds])
      .orderBy("admitted_at");
  const letters = async (runId: string) => (await row(runId)).step_states as string;

  describe("concurrency", () => {
    it("never exceeds the limit: twenty starts at once on two processes, workers in two", async () => {
      const { platform } = harness;
      const target = await saveScript(
        platform,
        "python_script",
        "import time\ndef main():\n    time.sleep(0.15)\n",
      );
      const plan = buildPlan([{ id: "only", target }], { concurrency: { limit: 3, onConflict: "queue" } });
      const workflow = await saveWorkflow(platform, plan);
      spawnProcess(["dist/src/cli/main.js", "worker", "--concurrency", "8"]);
      const worker = await harness.startWorker();
      let most = 0;
      let isOver = false;
      const sampling = (async () => {
        while (!isOver) {
          most = Math.max(most, (await slotHolders(platform, workflow)).length);
          await sleep(10);
        }
      })();
      const runIds = await Promise.all(
        // each more urgent than the one before: two processes that look at once want different ones
        Array.from({ length: 20 }, (_, n) => startHeld(n % 2 ? platform : other, workflow, { priority: n })),
      );
      for (const runId of runIds) expect((await harness.waitForEnd(runId, 45_000)).status).toBe("succeeded");
      isOver = true;
      await sampling;
      await Promise.all([worker.close(0), ...children.splice(0).map(kill)]);
      expect(most).toBe(3);
      expect(mostOverlapping(await rows(runIds))).toBe(3);
      // what was decided is struck off once it is applied
      await eventually("no decision is left", async () =>
        (await rows(runIds)).every((run) => run.admission === null),
      );
    });

    it("gives a slot away once, also when two processes judge different runs at the same moment", async () => {
      const { platform } = harness;
      const concurrency = { limit: 1, key: "input.n", onConflict: "queue" } as const;
      const workflow = await saveWorkflow(platform, oneStep({ concurrency }));
      for (let n = 0; n < 40; n += 1) {
        // the later and the more urgent of the two is the only one that the other process would choose
        await Promise.all([
          startHeld(platform, workflow, { input: { n } }),
          sleep(n % 8).then(() => startHeld(other, workflow, { input: { n }, priority: 1 })),
        ]);
      }
      const held = await platform.knex("workflow_runs").where("workflow_id", workflow.workflowId);
      expect(held).toHaveLength(80);
      const holders = held
        .filter((run) => run.admitted_at !== null)
        .map((run) => run.concurrency_key as string);
      expect(holders).toHaveLength(40);
      expect(new Set(holders).size).toBe(40);
    });

    it("gives each key slots of its own, and the next in line its turn, the urgent first", async () => {
      const { platform } = harness;
      const concurrency = { limit: 1, key: "input.region", onConflict: "queue" } as const;
      const workflow = await saveWorkflow(platform, oneStep({ concurrency }));
      const start = (region: unknown, priority = 0) =>
        startHeld(platform, workflow, { input: { region: region as string }, priority });
      const first = await start("eu");
      const [late, urgent] = [await start("eu"), await start("eu", 5)];
      const [us, list] = [await start("us"), await start(["b", { c: 1, a: 2 }])];
      expect(await slotHolders(platform, workflow)).toEqual([first, us, list]);
      expect(await row(list)).toMatchObject({ concurrency_key: '["b",{"a":2,"c":1}]', rate_key: null });
      expect((await harness.events(urgent))[0]).toMatchObject({ type: "run.queued", data: { held: true } });
      // another process ends it
      await endRun(other, workflow, first);
      await eventually("the urgent one has begun", async () => (await letters(urgent)) === "q", 1000);
      expect(await letters(late)).toBe("p");
      await harness.platform.engine.commit.apply(urgent, workflow.versionId, { kind: "cancel" });
      await eventually("the other has begun", async () => (await letters(late)) === "q", 1000);
    });

    it("skips: the run ends at once and says who holds the key", async () => {
      const { platform } = harness;
      const concurrency = { limit: 1, key: "input.k", onConflict: "skip" } as const;
      const workflow = await saveWorkflow(platform, oneStep({ concurrency }));
      const starts = await Promise.all(
        [platform, other, platform, other].map((where) => startHeld(where, workflow, { input: { k: "x" } })),
      );
      const [holder] = await slotHolders(platform, workflow);
      const skipped = starts.filter((runId) => runId !== holder);
      for (const runId of skipped) {
        const { status, error } = await row(runId);
        expect({ status, code: error.code }).toEqual({ status: "canceled", code: "canceled" });
        expect(error.message).toBe(`The run was skipped: concurrency key "x" is held by run ${holder}`);
      }
      expect(skipped).toHaveLength(3);
    });

    it("cancels running ones for newer ones, which wait until those have ended", async () => {
      const { platform } = harness;
      const plan = buildPlan([{ id: "only" }, { id: "tidy", phase: "finally" }], {
        concurrency: { limit: 1, onConflict: "cancelRunning" },
      });
      const workflow = await saveWorkflow(platform, plan);
      const first = await startHeld(platform, workflow);
      const claim = {
        kind: "claim",
        stepIndex: 0,
        itemIndex: -1,
        attempt: 1,
        sandboxLevel: "process",
      } as const;
      const token = newId();
      await platform.engine.commit.apply(first, workflow.versionId, { ...claim, token, workerId: newId() });
      const second = await startHeld(other, workflow);
      // its finally step goes on, so it still has the slot
      expect(await row(first)).toMatchObject({ ending: "canceled", finished_at: null });
      expect(await letters(second)).toBe("pp");
      const third = await startHeld(platform, workflow);
      expect(await row(second)).toMatchObject({
        status: "canceled",
        error: { message: expect.stringContaining(`newer run ${third}`) },
      });
      const tidy = { ...claim, stepIndex: 1, token: newId(), workerId: newId() };
      await other.engine.commit.apply(first, workflow.versionId, tidy);
      const done = { kind: "succeed", stepIndex: 1, itemIndex: -1, token: tidy.token, output: {} } as const;
      await other.engine.commit.apply(first, workflow.versionId, done);
      expect(await row(first)).toMatchObject({ status: "canceled" });
      await eventually("the newest has begun", async () => (await letters(third))[0] === "q", 1000);
      expect(await slotHolders(platform, workflow)).toEqual([third]);
    });

    it("does not let one key's backlog stand before another key's runs", async () => {
      const { platform } = harness;
      const workflow = await saveWorkflow(
        platform,
        oneStep({
          concurrency: { limit: 1, onConflict: "queue" },
          rateLimit: { limit: 1000, seconds: 60, key: "input.customer" },
        }),
      );
      const start = (customer: string) => startHeld(platform, workflow, { input: { customer } });
      const flood: string[] = [];
      for (let n = 0; n < 8; n += 1) flood.push(await start("a"));
      const [b1, b2, c1] = [await start("b"), await start("b"), await start("c")];
      const order: string[] = [];
      for (let n = 0; n < 6; n += 1) {
        await eventually(
          "somebody has the slot",
          async () => (await slotHolders(platform, workflow)).length === 1,
        );
        const [holder] = (await slotHolders(platform, workflow)) as [string];
        await eventually("it has begun", async () => (await letters(holder)) === "q");
        order.push(holder);
        await endRun(platform, workflow, holder);
      }
      expect(order).toEqual([flood[0], b1, c1, flood[1], b2, flood[2]]);
    });

    it("refuses an input that the key cannot be evaluated over", async () => {
      const concurrency = { limit: 1, key: "$number(input.n)", onConflict: "queue" } as const;
      const workflow = await saveWorkflow(harness.platform, oneStep({ concurrency }));
      await expect(startHeld(harness.platform, workflow, { input: { n: "x" } })).rejects.toMatchObject({
        code: "INVALID_FIELDS",
        faults: [{ path: "/input", message: expect.stringContaining("concurrency") }],
      });
      const runId = await startHeld(harness.platform, workflow, { input: {} });
      expect(await row(runId)).toMatchObject({ concurrency_key: "" });
    });
  });

  describe("when processes die", () => {
    it("admits the next by the sweep where the process that ended the run did not live to", async () => {
      const { platform } = harness;
      const workflow = await saveWorkflow(
        platform,
        oneStep({ concurrency: { limit: 1, onConflict: "queue" } }),
      );
      const [first, second] = [await startHeld(platform, workflow), await startHeld(platform, workflow)];
      const dying = await openOther();
      await dying.admission.close(); // it commits the end, and takes no turn any more
      await endRun(dying, workflow, first);
      await dying.close();
      expect(await letters(second)).toBe("p");
      await platform.admission.sweep();
      expect(await letters(second)).toBe("q");
    });

    it("applies what was decided by a process that was killed, and gives its slot to nobody else", async () => {
      const { platform } = harness;
      const workflow = await saveWorkflow(
        platform,
        oneStep({ concurrency: { limit: 1, onConflict: "queue" } }),
      );
      const child = spawnProcess([
        "--input-type=module",
        "-e",
        `const { loadSettings } = await import(${JSON.stringify(`${COMPILED}src/config/load-settings.js`)});
           const { openPlatform } = await import(${JSON.stringify(`${COMPILED}src/container.js`)});
           const { createLogger } = await import(${JSON.stringify(`${COMPILED}src/observability/logger.js`)});
           const { DATABASE_URL, ...rest } = process.env;
           const settings = loadSettings({ environment: { DATABASE_URL, ...rest } });
           const logger = createLogger({ level: "silent", name: "doomed" });
           const platform = await openPlatform({ settings, databaseUrl: DATABASE_URL, logger, role: "doomed" });
           platform.engine.commit.apply = () => new Promise(() => undefined);
           await platform.admission.create(${JSON.stringify({
             id: newId(),
             ...workflow,
             workflowName: "flow",
             workflowVersion: 1,
             trigger: "api",
             input: {},
             labels: {},
             priority: 0,
             delayMs: 0,
             createdBy: null,
             createdByName: "test",
           })});`,
      ]);
      await eventually("it has decided", async () => (await slotHolders(platform, workflow)).length === 1);
      await kill(child);
      const [holder] = (await slotHolders(platform, workflow)) as [string];
      expect(await row(holder)).toMatchObject({ step_states: "p", admission: { kind: "admit" } });
      const next = await startHeld(platform, workflow);
      expect(await letters(next)).toBe("p");
      await platform.admission.sweep();
      expect(await row(holder)).toMatchObject({ step_states: "q", admission: null });
      expect(await slotHolders(platform, workflow)).toEqual([holder]);
    });
  });

  it("spaces the starts of a rate limit out: none dropped, none early, none much late", async () => {
    const { platform } = harness;
    const rateLimit = { limit: 3, seconds: 1, key: "input.customer" };
    const workflow = await saveWorkflow(platform, oneStep({ rateLimit }));
    const runIds = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        startHeld(n % 2 ? platform : other, workflow, { input: { customer: "a" } }),
      ),
    );
    const elsewhere = await startHeld(platform, workflow, { input: { customer: "b" } });
    expect(await letters(elsewhere)).toBe("q");
    await eventually(
      "all have begun",
      async () => (await slotHolders(platform, workflow)).length === 11,
      6000,
    );
    const at = (await rows(runIds)).map((run) => (run.admitted_at as Date).getTime());
    const gaps = at.slice(3).map((time, index) => time - (at[index] ?? 0));
    for (const gap of gaps) {
      expect(gap).toBeGreaterThanOrEqual(999); // Date cuts microseconds off
      expect(gap).toBeLessThanOrEqual(1300);
    }
  });

  it("lets a delayed run take no slot before its time", async () => {
    const { platform } = harness;
    const workflow = await saveWorkflow(
      platform,
      oneStep({ concurrency: { limit: 1, onConflict: "queue" } }),
    );
    const delayed = await startHeld(platform, workflow, { delayMs: 700 });
    const now = await startHeld(other, workflow);
    expect(await slotHolders(platform, workflow)).toEqual([now]);
    await endRun(platform, workflow, now);
    expect(await letters(delayed)).toBe("p");
    await eventually("its time has come", async () => (await letters(delayed)) === "q", 2000);
    const { admitted_at: admittedAt, available_at: availableAt } = await row(delayed);
    expect(admittedAt.getTime() - availableAt.getTime()).toBeGreaterThanOrEqual(0);
    expect(admittedAt.getTime() - availableAt.getTime()).toBeLessThanOrEqual(300);
  });

  it("holds new runs of a paused workflow, and admits them all when it is resumed", async () => {
    const { platform } = harness;
    const workflow = await saveWorkflow(platform, oneStep({}));
    const pauses = createWorkflowPauses({
      knex: platform.knex,
      audit: platform.audit,
      admission: platform.admission,
    });
    const by = {
      actor: { type: "user", userId: newId(), name: "op", role: "operator" },
      origin: { requestId: "r", address: null },
    } as const;
    const before = await startHeld(platform, workflow);
    await pauses.pause(workflow.workflowId, by);
    await pauses.pause(workflow.workflowId, by);
    const held = await Promise.all(Array.from({ length: 120 }, () => startHeld(other, workflow)));
    await platform.admission.sweep();
    expect(await slotHolders(platform, workflow)).toEqual([before]);
    await pauses.resume(workflow.workflowId, by);
    await eventually("all have begun", async () =>
      (await rows(held)).every((run) => run.step_states === "q" && run.admission === null),
    );
    const entries = await platform.knex("action_logs").where("entity_id", workflow.workflowId).orderBy("seq");
    expect(entries.map((entry) => entry.action)).toEqual(["workflow.pause", "workflow.resume"]);
  });

  it("costs a run that no rule concerns nothing: no statement of its own", async () => {
    const { platform } = harness;
    const workflow = await saveWorkflow(platform, oneStep({}));
    await platform.engine.plans.get(workflow.versionId);
    const statements: string[] = [];
    const note = ({ sql }: { sql: string }) => statements.push(sql);
    platform.knex.on("query", note);
    const { prepare, afterCreate } = platform.admission;
    const run = { id: newId(), ...workflow, input: {}, delayMs: 0 } as Parameters<typeof prepare>[0];
    expect(await prepare(run, false)).toBe(run);
    await afterCreate(run);
    platform.knex.removeListener("query", note);
    expect(statements).toEqual([]);
  });

  it("throttles a component over all workers", async () => {
    const { platform } = harness;
    const target = await saveScript(platform, "python_script", "def main(): pass\n");
    const job = { runId: newId(), versionId: newId(), stepIndex: 0, stepId: "s", itemIndex: -1, attempt: 1 };
    const free = createStepThrottle(platform);
    expect(free.isUnthrottled(target)).toBe(false); // not known yet
    expect(await free(target, job)).toBe(0);
    expect(free.isUnthrottled(target)).toBe(true);
    await platform
      .knex("mcp_definitions")
      .where("name", target.name)
      .update({ rate_limit: JSON.stringify({ limit: 3, seconds: 1 }) });
    const throttles = [createStepThrottle(platform), createStepThrottle(other)];
    const ask = async (n: number) => (await throttles[n % 2]?.(target, job)) ?? -1;
    const waits = await Promise.all(Array.from({ length: 10 }, (_, n) => ask(n)));
    expect(waits.filter((ms) => ms === 0)).toHaveLength(3);
    const told = waits.filter((ms) => ms > 0).sort((one, another) => one - another);
    expect(told[0]).toBeGreaterThan(700);
    expect(told[0]).toBeLessThanOrEqual(1000);
    // four on one process: the last of them is sent to the window after the next
    expect(told.at(-1)).toBeGreaterThan(1700);
    await sleep((told[0] ?? 0) + 100);
    expect(await ask(0)).toBe(0);
    expect(await ask(1)).toBe(0);
    expect(throttles[0]?.isUnthrottled(target)).toBe(false);
    expect(await createStepThrottle(platform)({ kind: "builtin", name: "noop" }, job)).toBe(0);
  });
});

/** The most of these runs that ran at the same moment, by their own times. */
function mostOverlapping(runs: readonly { started_at: Date; finished_at: Date }[]): number {
  const moments = runs.flatMap((run) => [
    { at: run.started_at.getTime(), change: 1 },
    { at: run.finished_at.getTime(), change: -1 },
  ]);
  moments.sort((one, other) => one.at - other.at || one.change - other.change);
  let now = 0;
  let most = 0;
  for (const { change } of moments) {
    now += change;
    most = Math.max(most, now);
  }
  return most;
}
