import { afterAll, afterEach, beforeAll, expect, it } from "@jest/globals";
import { pino } from "pino";
import type { StepJob } from "../../src/contracts/step-job.js";
import { newId } from "../../src/core/ids.js";
import { createRunQueue } from "../../src/queues/create-run-queue.js";
import type { QueueBackend } from "../../src/queues/queue-connections.js";
import { runJobId, stepJobId, stepsQueue } from "../../src/queues/queue-names.js";
import type { JobContext, QueueWorker } from "../../src/queues/queue-worker.js";
import type { RunDispatch, RunQueue, StepDispatch } from "../../src/queues/run-queue.js";
import { openRunWorker, openStepWorker, type StepJobOutcome } from "../../src/queues/step-worker.js";
import { eventually } from "../support/eventually.js";
import { spawnStepWorker } from "../support/spawn-step-worker.js";

/** What a backend's test file lends the suite. */
export interface QueueLab {
  readonly backend: QueueBackend;
  /** What another process needs to open the same queues. */
  readonly connection: { redisUrl?: string; databaseUrl: string; prefix: string };
  /** Takes the lock of a running job away, as a stall check after a long pause would. */
  stealLock(queueName: string, jobId: string): Promise<void>;
  /** Cuts every connection; they come back by themselves. Data may be lost. */
  interrupt(): Promise<void>;
  close(): Promise<void>;
}

const logger = pino({ level: "silent" });
const versionId = newId();

/** Every promise of `RunQueue` and the workers, for one backend. Needs `dist/` for the worker that is killed. */
export function runQueueContract(openLab: () => Promise<QueueLab>): void {
  let lab: QueueLab;
  let runQueue: RunQueue;
  let opened: QueueWorker[] = [];
  let group = "";
  let groups = 0;

  beforeAll(async () => {
    lab = await openLab();
    runQueue = createRunQueue(lab.backend);
  }, 60_000);
  afterEach(async () => {
    await Promise.all(opened.map((worker) => worker.close({ drainMs: 0 })));
    opened = [];
  });
  afterAll(async () => await lab.close());

  function nextGroup(): string {
    groups += 1;
    group = `g${groups}`;
    return group;
  }

  function step(runId: string, stepId: string, options: Partial<StepDispatch & StepJob> = {}): StepDispatch {
    const { priority = 0, rank = 0, delayMs = 0, attempt = 1, itemIndex = -1, workerGroup = group } = options;
    return {
      job: { runId, versionId, stepIndex: 0, stepId, itemIndex, attempt },
      workerGroup,
      priority,
      rank,
      delayMs,
    };
  }

  function firstOf(runId: string, steps: readonly StepDispatch[], flow = 1): RunDispatch {
    return { runId, flow, isFirst: true, isSingleStep: false, steps };
  }

  function moreOf(runId: string, steps: readonly StepDispatch[], flow = 1): RunDispatch {
    return { runId, flow, isFirst: false, isSingleStep: false, steps };
  }

  function single(only: StepDispatch): RunDispatch {
    return { runId: only.job.runId, flow: 1, isFirst: true, isSingleStep: true, steps: [only] };
  }

  async function work(
    processor: (job: StepJob, context: JobContext) => Promise<StepJobOutcome>,
    options: { concurrency?: number; group?: string } = {},
  ): Promise<QueueWorker> {
    const { concurrency = 4 } = options;
    const worker = await openStepWorker({
      backend: lab.backend,
      logger,
      group: options.group ?? group,
      concurrency,
      processor,
    });
    opened.push(worker);
    return worker;
  }

  /** Keeps what happened in order: `step` or `run`, for one run. */
  async function watchRuns(order: string[], runId: string, meanwhile?: () => Promise<void>): Promise<void> {
    const processor = async (job: { runId: string }) => {
      if (job.runId !== runId) return;
      order.push("run");
      await meanwhile?.();
    };
    opened.push(await openRunWorker({ backend: lab.backend, logger, processor }));
  }

  const settle = (ms = 400) => new Promise((resolve) => setTimeout(resolve, ms));
  const failedCount = async () => (await countsOf(stepsQueue(group)))?.failed;
  const countsOf = async (name: string) =>
    (await runQueue.countJobs()).find((counts) => counts.name === name);

  it("delivers a run of one step, once, without a parent", async () => {
    nextGroup();
    const runId = newId();
    const order: string[] = [];
    const jobs: StepJob[] = [];
    await watchRuns(order, runId);
    await work(async (job) => {
      jobs.push(job);
      return "done";
    });
    await runQueue.enqueueRuns([single(step(runId, "only", { itemIndex: 3, attempt: 2 }))]);
    await eventually("the step", () => jobs.length > 0);
    await settle();
    expect(jobs).toEqual([{ runId, versionId, stepIndex: 0, stepId: "only", itemIndex: 3, attempt: 2 }]);
    expect(order).toEqual([]);
  });

  it("runs the parent once and last, with children that join while others run", async () => {
    nextGroup();
    const runId = newId();
    const order: string[] = [];
    await watchRuns(order, runId);
    await work(async ({ stepId }) => {
      if (stepId === "a") await runQueue.enqueueRuns([moreOf(runId, [step(runId, "c"), step(runId, "d")])]);
      if (stepId === "c") await settle(200);
      if (stepId === "d") await runQueue.enqueueRuns([moreOf(runId, [step(runId, "e")])]);
      order.push(stepId);
      return "done";
    });
    await runQueue.enqueueRuns([firstOf(runId, [step(runId, "a"), step(runId, "b")])]);
    await eventually("the parent", () => order.includes("run"));
    await settle();
    expect(order.slice(0, -1).sort()).toEqual(["a", "b", "c", "d", "e"]);
    expect(order.at(-1)).toBe("run");
  });

  it("shows a failed step as failed, and neither strands nor fools its parent", async () => {
    nextGroup();
    const runId = newId();
    const order: string[] = [];
    await watchRuns(order, runId);
    await work(async ({ stepId }) => {
      if (stepId === "b") await settle(300);
      order.push(stepId);
      return stepId === "a" ? { failed: "it broke" } : "done";
    });
    await runQueue.enqueueRuns([firstOf(runId, [step(runId, "a"), step(runId, "b")])]);
    await eventually("the parent", () => order.includes("run"));
    expect(order).toEqual(["a", "b", "run"]);
    const record = await lab.backend.queue(stepsQueue(group)).getJob(stepJobId(step(runId, "a").job));
    expect(record).toMatchObject({ failedReason: "it broke", name: "a" });
    expect((record?.stacktrace ?? []).join("")).toBe("");
    expect(await failedCount()).toBe(1);
  });

  it("runs the parent when its only child fails", async () => {
    nextGroup();
    const runId = newId();
    const order: string[] = [];
    await watchRuns(order, runId);
    await work(async () => ({ failed: "no" }));
    await runQueue.enqueueRuns([firstOf(runId, [step(runId, "a")])]);
    await eventually("the parent", () => order.includes("run"));
    await settle();
    expect(order).toEqual(["run"]);
  });

  it("lets the next attempt of a failed step join the same flow", async () => {
    nextGroup();
    const runId = newId();
    const order: string[] = [];
    await watchRuns(order, runId);
    await work(async ({ stepId, attempt }) => {
      order.push(`${stepId}${attempt}`);
      if (attempt > 1) return "done";
      await runQueue.enqueueRuns([moreOf(runId, [step(runId, "a", { attempt: 2, delayMs: 300 })])]);
      return { failed: "again" };
    });
    await runQueue.enqueueRuns([firstOf(runId, [step(runId, "a")])]);
    await eventually("the parent", () => order.includes("run"));
    expect(order).toEqual(["a1", "a2", "run"]);
  });

  it("lets one attempt be dispatched again after it failed, and fail again, without stranding the parent", async () => {
    nextGroup();
    const runId = newId();
    const order: string[] = [];
    let release = (): void => undefined;
    await watchRuns(order, runId);
    await work(async ({ stepId }) => {
      order.push(stepId);
      if (stepId === "a") return { failed: "no" };
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return "done";
    });
    const failing = step(runId, "a");
    await runQueue.enqueueRuns([firstOf(runId, [failing, step(runId, "holding")])]);
    await eventually("the failure", async () => order.length === 2 && (await failedCount()) === 1);
    expect(await runQueue.findMissing([failing])).toEqual([failing.job]);
    await runQueue.enqueueRuns([moreOf(runId, [failing])]);
    await eventually("the second failure", async () => order.length === 3 && (await failedCount()) === 1);
    release();
    await eventually("the parent", () => order.includes("run"));
    expect(order.slice(2)).toEqual(["a", "run"]);
  });

  it("delivers a job again when its processor throws, and the parent waits for it", async () => {
    nextGroup();
    const runId = newId();
    const order: string[] = [];
    await watchRuns(order, runId);
    await work(async () => {
      order.push("step");
      if (order.length === 1) throw new Error("the database is away");
      return "done";
    });
    await runQueue.enqueueRuns([firstOf(runId, [step(runId, "a")])]);
    await eventually("the parent", () => order.includes("run"));
    expect(order).toEqual(["step", "step", "run"]);
    expect(await failedCount()).toBe(0);
  });

  it("puts a job back for a time", async () => {
    nextGroup();
    const runId = newId();
    const order: string[] = [];
    const takenAt: number[] = [];
    await watchRuns(order, runId);
    await work(async (_job, context) => {
      takenAt.push(Date.now());
      if (takenAt.length === 1) context.delay(700);
      order.push("step");
      return "done";
    });
    await runQueue.enqueueRuns([firstOf(runId, [step(runId, "a")])]);
    await eventually("the parent", () => order.includes("run"));
    expect(order).toEqual(["step", "run"]);
    expect((takenAt[1] ?? 0) - (takenAt[0] ?? 0)).toBeGreaterThanOrEqual(690);
  });

  it("holds a delayed step back, and delivers it when it is due", async () => {
    nextGroup();
    const runId = newId();
    let takenAt = 0;
    await work(async () => {
      takenAt = Date.now();
      return "done";
    });
    const askedAt = Date.now();
    await runQueue.enqueueRuns([single(step(runId, "a", { delayMs: 800 }))]);
    expect(await countsOf(stepsQueue(group))).toMatchObject({ delayed: 1 });
    await eventually("the step", () => takenAt > 0);
    expect(takenAt - askedAt).toBeGreaterThanOrEqual(790);
    expect(takenAt - askedAt).toBeLessThan(6000);
  });

  it("takes urgent steps first and unhurried ones last, the rest in their order", async () => {
    nextGroup();
    const order: string[] = [];
    const ids = { plain1: 0, late5: -5, plain2: 0, late1: -1, urgent: 10, plain3: 0 };
    for (const [stepId, priority] of Object.entries(ids)) {
      await runQueue.enqueueRuns([single(step(newId(), stepId, { priority }))]);
    }
    const together = [step(newId(), "urgent9", { priority: 9 }), step(newId(), "urgent3", { priority: 3 })];
    await runQueue.enqueueRuns(together.map(single));
    await work(
      async ({ stepId }) => {
        order.push(stepId);
        return "done";
      },
      { concurrency: 1 },
    );
    await eventually("all", () => order.length === 8);
    expect(order).toEqual(["urgent9", "urgent3", "urgent", "plain1", "plain2", "plain3", "late1", "late5"]);
  });

  it("bears everything being enqueued twice: before, while and after it runs", async () => {
    nextGroup();
    const runId = newId();
    const order: string[] = [];
    const dispatch = firstOf(runId, [step(runId, "a"), step(runId, "b")]);
    const again = moreOf(runId, [step(runId, "a"), step(runId, "b")]);
    await Promise.all([runQueue.enqueueRuns([dispatch]), runQueue.enqueueRuns([dispatch, again])]);
    await watchRuns(order, runId);
    await work(async ({ stepId }) => {
      const isSecondTime = order.includes("run");
      order.push(stepId);
      if (isSecondTime) return "done";
      await runQueue.enqueueRuns([firstOf(runId, [step(runId, stepId)])]);
      await runQueue.enqueueRuns([moreOf(runId, [step(runId, stepId)])]);
      return "done";
    });
    await eventually("the parent", () => order.includes("run"));
    await settle();
    const before = [...order];
    expect(before.slice(0, 2).sort()).toEqual(["a", "b"]);
    expect(before.slice(2)).toEqual(["run"]);
    // what has ended comes again, which the claim in PostgreSQL refuses; here it must only not get stuck
    await runQueue.enqueueRuns([again]);
    await eventually("the steps once more", () => order.length >= 5);
    await settle();
    expect(order.slice(3).sort()).toEqual(["a", "b"]);
    expect(await countsOf("runs")).toMatchObject({ waiting: 0, active: 0, delayed: 0 });
    expect(await lab.backend.queue("runs").getJob(runJobId(runId, 1))).toBeUndefined();
  });

  it("joins nothing to a parent that is gone: later steps go in on their own", async () => {
    nextGroup();
    const runId = newId();
    const taken: string[] = [];
    await work(async ({ stepId }) => {
      taken.push(stepId);
      return "done";
    });
    const steps = Array.from({ length: 12 }, (_, index) => step(runId, `s${index}`));
    await runQueue.enqueueRuns([moreOf(runId, steps), moreOf(newId(), [step(newId(), "lone")])]);
    await eventually("the steps", () => taken.length === 13);
    expect(new Set(taken).size).toBe(13);
  });

  it("bears a child that belongs to an earlier flow of its run", async () => {
    nextGroup();
    const runId = newId();
    const order: string[] = [];
    await runQueue.enqueueRuns([firstOf(runId, [step(runId, "a")])]);
    await runQueue.enqueueRuns([firstOf(runId, [step(runId, "a"), step(runId, "b")], 2)]);
    await watchRuns(order, runId);
    await work(async ({ stepId }) => {
      order.push(stepId);
      return "done";
    });
    await eventually("both parents", () => order.filter((what) => what === "run").length === 2);
    expect(order.filter((what) => what !== "run").sort()).toEqual(["a", "b"]);
  });

  it("makes a parent wait again when a child joined while it ran", async () => {
    nextGroup();
    const runId = newId();
    const order: string[] = [];
    await work(async ({ stepId }) => {
      if (stepId === "late") await settle(1500);
      order.push(stepId);
      return "done";
    });
    await watchRuns(order, runId, async () => {
      if (order.includes("late")) return;
      await runQueue.enqueueRuns([moreOf(runId, [step(runId, "late")])]);
    });
    await runQueue.enqueueRuns([firstOf(runId, [step(runId, "a")])]);
    await eventually("the parent once more", () => order.length >= 4);
    await settle();
    expect(order).toEqual(["a", "run", "late", "run"]);
    expect(await lab.backend.queue("runs").getJob(runJobId(runId, 1))).toBeUndefined();
  });

  it("delivers hundreds of children and many runs handed over at once", async () => {
    nextGroup();
    const runId = newId();
    const order: string[] = [];
    const taken = new Set<string>();
    await runQueue.enqueueRuns([
      firstOf(
        runId,
        Array.from({ length: 250 }, (_, itemIndex) => step(runId, "item", { itemIndex })),
      ),
      ...Array.from({ length: 150 }, () => single(step(newId(), "only"))),
    ]);
    await watchRuns(order, runId);
    await work(
      async (job) => {
        taken.add(stepJobId(job));
        if (job.runId === runId) order.push("step");
        return "done";
      },
      { concurrency: 32 },
    );
    await eventually("all", () => taken.size === 400 && order.includes("run"), 60_000);
    expect(order.at(-1)).toBe("run");
    expect(order).toHaveLength(251);
  }, 90_000);

  it("finds what the queue no longer holds, and lets it be enqueued again", async () => {
    nextGroup();
    const runId = newId();
    const release: (() => void)[] = [];
    const steps = {
      active: step(runId, "active"),
      failed: step(runId, "failed"),
      done: step(runId, "done"),
      delayed: step(runId, "delayed", { delayMs: 60_000 }),
      urgent: step(runId, "late", { priority: -3 }),
      never: step(runId, "never"),
    };
    const worker = await work(async ({ stepId }) => {
      if (stepId === "failed") return { failed: "no" };
      if (stepId === "active") await new Promise<void>((resolve) => release.push(resolve));
      return "done";
    });
    const { never, urgent, ...first } = steps;
    await runQueue.enqueueRuns(Object.values(first).map(single));
    const { backend } = lab;
    const state = async (which: StepDispatch) =>
      await backend.findStates(stepsQueue(group), [stepJobId(which.job)]);
    await eventually("the ends", async () => {
      const states = await Promise.all([steps.active, steps.failed, steps.done].map(state));
      return states.flat().join() === "active,failed,unknown";
    });
    worker.pause();
    await runQueue.enqueueRuns([single(urgent)]);
    const missing = await runQueue.findMissing(Object.values(steps));
    expect(missing.map((job) => job.stepId).sort()).toEqual(["done", "failed", "never"]);
    await runQueue.enqueueRuns([single(steps.failed), single(never)]);
    expect((await runQueue.findMissing(Object.values(steps))).map((job) => job.stepId)).toEqual(["done"]);
    for (const resolve of release) resolve();
  });

  it("removes steps that wait, leaves those that run, and lets the parent go on", async () => {
    nextGroup();
    const runId = newId();
    const order: string[] = [];
    let release = (): void => undefined;
    await watchRuns(order, runId);
    await work(
      async ({ stepId }) => {
        order.push(stepId);
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        return "done";
      },
      { concurrency: 1 },
    );
    const steps = [step(runId, "a"), step(runId, "b"), step(runId, "c", { delayMs: 60_000 })];
    await runQueue.enqueueRuns([firstOf(runId, steps)]);
    await eventually("the first step", () => order.length === 1);
    await runQueue.removeSteps([...steps, step(runId, "unknown")]);
    expect(await countsOf(stepsQueue(group))).toMatchObject({ waiting: 0, delayed: 0, active: 1 });
    release();
    await eventually("the parent", () => order.includes("run"));
    expect(order).toEqual(["a", "run"]);
  });

  it("removes parents that wait for nobody, and only those", async () => {
    nextGroup();
    const [stranded, alive] = [newId(), newId()];
    await runQueue.enqueueRuns([
      firstOf(stranded, [step(stranded, "a")]),
      firstOf(alive, [step(alive, "a")]),
    ]);
    // a child that fails in the very instant in which it is enqueued again
    const queue = lab.backend.queue(stepsQueue(group));
    await work(async ({ runId }, context) => {
      if (runId === alive) context.delay(60_000);
      return { failed: "no" };
    });
    await eventually("the failure", async () => (await queue.getFailedCount()) === 1);
    await runQueue.enqueueRuns([firstOf(stranded, [step(stranded, "a")], 2)]);
    const ids = [runJobId(stranded, 1), runJobId(stranded, 2), runJobId(alive, 1)];
    await settle();
    expect((await lab.backend.findStates("runs", ids)).slice(1)).toEqual([
      "waiting-children",
      "waiting-children",
    ]);
    expect(await runQueue.removeStrandedRuns(60_000)).toBe(0);
    expect(await runQueue.removeStrandedRuns(0)).toBe(1);
    expect((await lab.backend.findStates("runs", ids)).slice(1)).toEqual(["unknown", "waiting-children"]);
    await runQueue.removeSteps([step(alive, "a")]);
  });

  it("fails a job whose payload is not a step job, and lives on", async () => {
    nextGroup();
    const taken: string[] = [];
    await work(async ({ stepId }) => {
      taken.push(stepId);
      return "done";
    });
    const queue = lab.backend.queue(stepsQueue(group));
    await queue.add("forged", { runId: "../../etc" }, { jobId: "forged.1", attempts: 3 });
    await runQueue.enqueueRuns([single(step(newId(), "good"))]);
    await eventually("the good one", () => taken.includes("good"));
    await eventually("the failure", async () => (await queue.getFailedCount()) === 1);
    expect((await queue.getJob("forged.1"))?.failedReason).toMatch(
      /^Payload not valid: \/runId .*\/versionId/,
    );
    expect(taken).toEqual(["good"]);
  });

  it("aborts the signal of a job whose lock is lost", async () => {
    nextGroup();
    const job = step(newId(), "a");
    let aborted: unknown;
    let isTaken = false;
    await work(async (_job, { signal }) => {
      isTaken = true;
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      aborted ??= signal.reason;
      return "done";
    });
    await runQueue.enqueueRuns([single(job)]);
    await eventually("the step", () => isTaken);
    await lab.stealLock(stepsQueue(group), stepJobId(job.job));
    await eventually("the abort", () => aborted !== undefined, 15_000);
    expect(String(aborted)).toContain("lock lost");
  }, 30_000);

  it("drains when closing, then aborts what does not end, and takes nothing more", async () => {
    nextGroup();
    const taken: string[] = [];
    const ended: string[] = [];
    const worker = await work(
      async ({ stepId }, { signal }) => {
        taken.push(stepId);
        const limit = stepId === "short" ? 500 : 60_000;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, limit);
          signal.addEventListener("abort", () => {
            clearTimeout(timer);
            resolve();
          });
        });
        ended.push(signal.aborted ? `${stepId} aborted` : stepId);
        return "done";
      },
      { concurrency: 2 },
    );
    await runQueue.enqueueRuns(["short", "long", "waiting"].map((stepId) => single(step(newId(), stepId))));
    await eventually("both slots", () => taken.length === 2);
    const startedAt = Date.now();
    await worker.close({ drainMs: 1200 });
    expect(Date.now() - startedAt).toBeLessThan(8000);
    expect(ended).toEqual(["short", "long aborted"]);
    expect(taken).toEqual(["short", "long"]);
    expect(await countsOf(stepsQueue(group))).toMatchObject({ waiting: 1, active: 0, failed: 0 });
  });

  it("takes nothing while paused, and goes on when resumed", async () => {
    nextGroup();
    const taken: string[] = [];
    const worker = await work(async ({ stepId }) => {
      taken.push(stepId);
      return "done";
    });
    // a worker that already waits for a job is the hard case
    await settle(300);
    worker.pause();
    await runQueue.enqueueRuns([single(step(newId(), "a"))]);
    await settle(800);
    expect(taken).toEqual([]);
    expect(worker.isConsuming()).toBe(false);
    worker.resume();
    await eventually("the step", () => taken.length === 1);
    expect(worker.isConsuming()).toBe(true);
  });

  it("delivers again within 20 s what a killed worker process held", async () => {
    nextGroup();
    const job = step(newId(), "a");
    const doomed = await spawnStepWorker({ ...lab.connection, group });
    await runQueue.enqueueRuns([single(job)]);
    await doomed.taken;
    await doomed.kill();
    const killedAt = Date.now();
    let deliveredAt = 0;
    await work(async () => {
      deliveredAt = Date.now();
      return "done";
    });
    await eventually("the second delivery", () => deliveredAt > 0, 25_000);
    expect(deliveredAt - killedAt).toBeLessThanOrEqual(20_500);
  }, 60_000);

  it("consumes again after its connections were cut", async () => {
    nextGroup();
    const taken: string[] = [];
    const worker = await work(async ({ stepId }) => {
      taken.push(stepId);
      return "done";
    });
    await runQueue.enqueueRuns([single(step(newId(), "before"))]);
    await eventually("the first", () => taken.includes("before"));
    await lab.interrupt();
    const after = single(step(newId(), "after"));
    await eventually("enqueueing again", () =>
      runQueue.enqueueRuns([after], 1000).then(
        () => true,
        () => false,
      ),
    );
    await eventually("the second", () => taken.includes("after"), 25_000);
    expect(worker.isConsuming()).toBe(true);
    const parent = newId();
    await watchRuns(taken, parent);
    await runQueue.enqueueRuns([firstOf(parent, [step(parent, "child")])]);
    await eventually("a flow", () => taken.at(-1) === "run");
  }, 60_000);
}
