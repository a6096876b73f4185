import { expect, it } from "@jest/globals";
import { pino } from "pino";
import { newId } from "../../src/core/ids.js";
import { createRunQueue } from "../../src/queues/create-run-queue.js";
import { createDeferred } from "../../src/lifecycle/deferred.js";
import { openQueues } from "../../src/queues/queue-connections.js";
import { openStepWorker } from "../../src/queues/step-worker.js";
import { eventually } from "../support/eventually.js";
import { startOwnRedis } from "../support/own-redis.js";
import { describeWith, redisServer } from "../support/requirements.js";
import { startTcpProxy } from "../support/tcp-proxy.js";

const logger = pino({ level: "silent" });
const databaseUrl = "postgres://nowhere.invalid/none";

function buildRun() {
  const runId = newId();
  const job = { runId, versionId: newId(), stepIndex: 0, stepId: "a", itemIndex: -1, attempt: 1 };
  const steps = [{ job, workerGroup: "default", priority: 0, rank: 0, delayMs: 0 }];
  return { runId, flow: 1, isFirst: true, isSingleStep: true, steps };
}

async function elapsed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = Date.now();
  await work();
  return Date.now() - startedAt;
}

describeWith(redisServer, "queues while Redis is away", () => {
  it("fails fast, keeps nothing back, knows that it does not consume, and works when Redis is back", async () => {
    const redis = await startOwnRedis();
    const backend = await openQueues({ redisUrl: redis.url, databaseUrl, prefix: "outage", logger });
    const runQueue = createRunQueue(backend);
    const taken: string[] = [];
    const worker = await openStepWorker({
      backend,
      logger,
      group: "default",
      concurrency: 2,
      silenceMs: 2000,
      canaryMs: 500,
      processor: async (job) => {
        taken.push(job.runId);
        return "done";
      },
    });
    try {
      await redis.kill();
      const refused = async () => {
        await expect(runQueue.enqueueRuns([buildRun()], 1500)).rejects.toMatchObject({ code: "NOT_READY" });
      };
      await eventually("noticing the loss", () => !backend.isReachable());
      const first = await elapsed(refused);
      expect(first).toBeGreaterThan(500);
      expect(first).toBeLessThan(2500);
      // the outage is known by now: no caller waits again
      const next = await elapsed(() => Promise.all(Array.from({ length: 500 }, refused)));
      expect(next).toBeLessThan(1000);
      await eventually("noticing the silence", () => !worker.isConsuming(), 10_000);

      await redis.start();
      const run = buildRun();
      await eventually("enqueueing again", () =>
        runQueue.enqueueRuns([run]).then(
          () => true,
          () => false,
        ),
      );
      await eventually("the step", () => taken.length > 0);
      await eventually("consuming", () => worker.isConsuming());
      // none of the refused ones came through late
      expect(taken).toEqual([run.runId]);
    } finally {
      await worker.close({ drainMs: 0 });
      await backend.close();
      await redis.stop();
    }
  });

  it("gives a job back whose answer was lost with a connection", async () => {
    const redis = await startOwnRedis();
    const proxy = await startTcpProxy(Number(new URL(redis.url).port));
    const direct = await openQueues({ redisUrl: redis.url, databaseUrl, prefix: "outage", logger });
    const backend = await openQueues({
      redisUrl: `redis://127.0.0.1:${proxy.port}`,
      databaseUrl,
      prefix: "outage",
      logger,
    });
    const runQueue = createRunQueue(direct);
    const taken: string[] = [];
    const isGoing = createDeferred<void>();
    const worker = await openStepWorker({
      backend,
      logger,
      group: "default",
      concurrency: 1,
      processor: async (job) => {
        taken.push(job.runId);
        if (taken.length === 1) await isGoing.promise;
        return "done";
      },
    });
    try {
      const [first, second] = [buildRun(), buildRun()];
      await runQueue.enqueueRuns([first]);
      await eventually("the first step", () => taken.length === 1);
      await runQueue.enqueueRuns([second]);
      proxy.muteServer();
      // one request ends the first job and takes the second, whose answer never arrives
      isGoing.resolve();
      const counts = async () => await direct.queue("steps-default").getJobCounts("active", "wait");
      await eventually("the request", async () => (await counts())["wait"] === 0);
      proxy.breakOpen();
      const tookMs = await elapsed(() => eventually("the second step", () => taken.length > 1, 30_000));
      expect(tookMs).toBeLessThan(6000);
      expect(taken).toEqual([first.runId, second.runId]);
    } finally {
      await worker.close({ drainMs: 0 });
      await Promise.all([backend.close(), direct.close()]);
      await proxy.close();
      await redis.stop();
    }
  });

  it("closes workers and connections while Redis is away", async () => {
    const redis = await startOwnRedis();
    const backend = await openQueues({ redisUrl: redis.url, databaseUrl, prefix: "outage", logger });
    const worker = await openStepWorker({
      backend,
      logger,
      group: "default",
      concurrency: 2,
      processor: async () => "done",
    });
    await redis.kill();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const spent = await elapsed(async () => {
      await worker.close({ drainMs: 100 });
      await backend.close();
    });
    expect(spent).toBeLessThan(5000);
    await redis.stop();
  });

  it("does not open when there is no server", async () => {
    const redis = await startOwnRedis();
    await redis.stop();
    const opening = openQueues({ redisUrl: redis.url, databaseUrl, prefix: "outage", logger });
    await expect(opening).rejects.toMatchObject({ code: "NOT_READY" });
  });

  it("names the setting when Redis would drop jobs", async () => {
    const redis = await startOwnRedis(["--maxmemory-policy", "allkeys-lru"]);
    const backend = await openQueues({ redisUrl: redis.url, databaseUrl, prefix: "outage", logger });
    expect(await backend.checkServer()).toMatch(
      /maxmemory-policy allkeys-lru.*Set maxmemory-policy noeviction/,
    );
    await backend.close();
    await redis.stop();
    const good = await startOwnRedis();
    const fine = await openQueues({ redisUrl: good.url, databaseUrl, prefix: "outage", logger });
    expect(await fine.checkServer()).toBeUndefined();
    await fine.close();
    await good.stop();
  });
});
