import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { pino } from "pino";
import { newId } from "../../src/core/ids.js";
import { createRunQueue } from "../../src/queues/create-run-queue.js";
import { openQueues } from "../../src/queues/queue-connections.js";
import { openRunWorker, openStepWorker } from "../../src/queues/step-worker.js";
import { eventually } from "../support/eventually.js";
import { createTestDatabase, type TestDatabase } from "../support/test-database.js";

const logger = pino({ level: "silent" });

describe("queues on PostgreSQL", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => await database.drop());

  it("makes their tables once, however many processes start together", async () => {
    const options = { databaseUrl: database.url, prefix: `${database.prefix}_many`, logger };
    const opened = await Promise.all(Array.from({ length: 6 }, () => openQueues(options)));
    const [{ versions, distinct }] = (
      await database.knex.raw(
        "SELECT count(*)::int AS versions, count(DISTINCT version)::int AS distinct FROM ??.migration",
        [`${options.prefix}_queues`],
      )
    ).rows;
    expect(versions).toBeGreaterThan(0);
    expect(versions).toBe(distinct);
    await Promise.all(opened.map((backend) => backend.close()));
  });

  it("keep installations apart in one database", async () => {
    const [one, other] = await Promise.all(
      ["one", "other"].map((prefix) => openQueues({ databaseUrl: database.url, prefix, logger })),
    );
    await one?.queue("runs").add("run", {}, { jobId: "r.1" });
    expect(await one?.findStates("runs", ["r.1"])).toEqual(["waiting"]);
    expect(await other?.findStates("runs", ["r.1"])).toEqual(["unknown"]);
    await Promise.all([one?.close(), other?.close()]);
  });

  it("holds few connections under load, and gives all of them back", async () => {
    const { prefix, url, knex } = database;
    const backend = await openQueues({ databaseUrl: url, prefix, logger });
    const runQueue = createRunQueue(backend);
    const count = async () => {
      const { rows } = await knex.raw(
        "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name <> 'headrace-test'",
      );
      return rows[0].n as number;
    };
    let taken = 0;
    const processor = async () => {
      taken += 1;
      return "done" as const;
    };
    const workers = [
      await openStepWorker({ backend, logger, group: "default", concurrency: 16, processor }),
      await openRunWorker({ backend, logger, processor: async () => undefined }),
    ];
    const dispatches = Array.from({ length: 100 }, () => {
      const runId = newId();
      const job = { runId, versionId: newId(), stepIndex: 0, stepId: "a", itemIndex: -1, attempt: 1 };
      const steps = [{ job, workerGroup: "default", priority: 0, rank: 0, delayMs: 0 }];
      return { runId, flow: 1, isFirst: true, isSingleStep: false, steps };
    });
    await Promise.all(dispatches.map((dispatch) => runQueue.enqueueRuns([dispatch], 20_000)));
    await eventually("all steps", () => taken === 100, 30_000);
    // 3 for producers, 4 and a listener for each worker
    expect(await count()).toBeLessThanOrEqual(13);
    await Promise.all(workers.map((worker) => worker.close({ drainMs: 1000 })));
    await backend.close();
    await eventually("the connections' end", async () => (await count()) === 0);
  });
});
