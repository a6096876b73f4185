import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import express from "express";
import { pino } from "pino";
import supertest from "supertest";
import { newId } from "../../src/core/ids.js";
import { type BullBoard, createBullBoardRouter } from "../../src/queues/bull-board.js";
import { createRunQueue } from "../../src/queues/create-run-queue.js";
import { openQueues, type QueueBackend } from "../../src/queues/queue-connections.js";
import { stepJobId } from "../../src/queues/queue-names.js";
import { openStepWorker } from "../../src/queues/step-worker.js";
import { eventually } from "../support/eventually.js";
import { type OwnRedis, startOwnRedis } from "../support/own-redis.js";
import { describeWith, redisServer } from "../support/requirements.js";
import { createTestDatabase, type TestDatabase } from "../support/test-database.js";

const logger = pino({ level: "silent" });

function boardSuite(open: () => Promise<QueueBackend>, close: () => Promise<void>): void {
  let backend: QueueBackend;
  let board: BullBoard;
  const app = express();
  const runId = newId();
  const job = { runId, versionId: newId(), stepIndex: 0, stepId: "broken", itemIndex: -1, attempt: 1 };
  const failedPath = `/admin/queues/api/queues/steps-default/${stepJobId(job)}`;

  beforeAll(async () => {
    backend = await open();
    board = createBullBoardRouter({
      backend,
      queueNames: ["runs", "steps-default"],
      basePath: "/admin/queues",
    });
    app.use("/admin/queues", board.router);
    const runQueue = createRunQueue(backend);
    const steps = [
      { job, workerGroup: "default", priority: 0, rank: 0, delayMs: 0 },
      { job: { ...job, stepId: "late" }, workerGroup: "default", priority: 0, rank: 0, delayMs: 600_000 },
    ];
    await runQueue.enqueueRuns([{ runId, flow: 1, isFirst: true, isSingleStep: false, steps }]);
    const worker = await openStepWorker({
      backend,
      logger,
      group: "default",
      concurrency: 1,
      processor: async () => ({ failed: "it broke" }),
    });
    await eventually(
      "the failure",
      async () => (await backend.queue("steps-default").getFailedCount()) === 1,
    );
    await worker.close({ drainMs: 1000 });
  });
  afterAll(async () => {
    await backend.close();
    await close();
  });

  it("serves its page and its queues, with the failed step in sight", async () => {
    const page = await supertest(app).get("/admin/queues/");
    expect(page.status).toBe(200);
    expect(page.text).toContain('<base href="/admin/queues/"');
    const script = /src="(static\/js\/main[^"]+)"/.exec(page.text)?.[1];
    expect((await supertest(app).get(`/admin/queues/${script}`)).status).toBe(200);
    const listed = await supertest(app).get(
      "/admin/queues/api/queues?activeQueue=steps-default&status=failed&page=1&jobsPerPage=10",
    );
    expect(listed.status).toBe(200);
    const shown = listed.body.queues.find((queue: { name: string }) => queue.name === "steps-default");
    expect(shown).toMatchObject({ readOnlyMode: true, counts: { failed: 1, delayed: 1 } });
    expect(shown.jobs).toEqual([expect.objectContaining({ name: "broken", failedReason: "it broke" })]);
    const runs = listed.body.queues.find((queue: { name: string }) => queue.name === "runs");
    expect(runs.counts).toMatchObject({ "waiting-children": 1 });
  });

  it.each([
    ["post", "/admin/queues/api/queues/steps-default/add"],
    ["put", "/admin/queues/api/queues/steps-default/obliterate"],
    ["put", "/admin/queues/api/queues/steps-default/pause"],
    ["put", "/admin/queues/api/queues/steps-default/empty"],
    ["put", "/admin/queues/api/queues/steps-default/retry/failed"],
    ["put", "/admin/queues/api/queues/steps-default/clean/failed"],
    ["put", `${failedPath}/retry/failed`],
    ["put", `${failedPath}/clean`],
    ["put", `${failedPath}/promote`],
    ["patch", `${failedPath}/update-data`],
  ] as const)("refuses to change anything: %s %s", async (method, path) => {
    const answer = await supertest(app)
      [method](path)
      .send({ name: "forged", data: {}, options: {}, jobData: {} });
    expect([403, 404, 405]).toContain(answer.status);
    const counts = await backend.queue("steps-default").getJobCounts("failed", "delayed", "waiting");
    expect(counts).toEqual({ failed: 1, delayed: 1, waiting: 0 });
  });

  it("shows queues that are added later, once", async () => {
    board.addQueue("steps-gpu");
    board.addQueue("steps-gpu");
    const listed = await supertest(app).get("/admin/queues/api/queues");
    const names = listed.body.queues.map((queue: { name: string }) => queue.name);
    expect(names.sort()).toEqual(["runs", "steps-default", "steps-gpu"]);
  });
}

describe("Bull Board on PostgreSQL", () => {
  let database: TestDatabase;
  boardSuite(
    async () => {
      database = await createTestDatabase();
      return await openQueues({ databaseUrl: database.url, prefix: database.prefix, logger });
    },
    async () => await database.drop(),
  );
});

describeWith(redisServer, "Bull Board on Redis", () => {
  let redis: OwnRedis;
  boardSuite(
    async () => {
      redis = await startOwnRedis();
      return await openQueues({
        redisUrl: redis.url,
        databaseUrl: "postgres://nowhere.invalid/none",
        prefix: "board",
        logger,
      });
    },
    async () => await redis.stop(),
  );
});
