import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { workerGroupRoutes } from "../../src/http/routes/worker-groups.js";
import { readGroupMetrics } from "../../src/services/worker-groups/group-metrics.js";
import { createWorkerGroups, type WorkerGroups } from "../../src/services/worker-groups/worker-groups.js";
import { startTestServer, type TestServer } from "../support/test-server.js";

describe("worker groups", () => {
  let server: TestServer;
  let groups: WorkerGroups;
  let counted = 0;
  let isQueueGone = false;
  const failures: unknown[] = [];
  const note = (error: unknown) => void failures.push(error);

  const runQueue = {
    async countJobs() {
      counted += 1;
      if (isQueueGone) throw new Error("gone");
      return [
        { name: "runs", waiting: 9, active: 9, delayed: 9, failed: 9 },
        { name: "steps-default", waiting: 4, active: 2, delayed: 1, failed: 7 },
        { name: "steps-gpu", waiting: 3, active: 0, delayed: 0, failed: 0 },
      ];
    },
  };
  const addWorker = async (served: string[], concurrency: number, isAlive = true) => {
    await server.knex("workers").insert({
      id: newId(),
      hostname: "h",
      pid: 1,
      groups: served,
      concurrency,
      sandbox_level: "none",
      sandbox_reasons: [],
      version: "1",
      lease_until: server.knex.raw(`now() + interval '${isAlive ? 60 : -1} seconds'`),
    });
  };
  const get = async (path = "") =>
    await server.request({ as: "viewer", path: `/api/v1/worker-groups${path}` });

  beforeAll(async () => {
    server = await startTestServer({
      routes: ({ knex }) => {
        groups = createWorkerGroups({ knex, runQueue });
        return workerGroupRoutes({ groups });
      },
    });
    await addWorker(["default"], 16);
    await addWorker(["default", "io"], 4);
    await addWorker(["default"], 100, false);
  });
  afterAll(async () => await server.close());

  it("tell what waits and who lives, by name, and count for many askers at once", async () => {
    const answers = await Promise.all([get(), get(), get()]);
    expect(answers[0]?.body).toEqual({
      items: [
        { name: "default", waiting: 4, running: 2, delayed: 1, workers: 2, slots: 20 },
        { name: "gpu", waiting: 3, running: 0, delayed: 0, workers: 0, slots: 0 },
        { name: "io", waiting: 0, running: 0, delayed: 0, workers: 1, slots: 4 },
      ],
    });
    expect(counted).toBe(1);
  });

  it("answer for a group that has nothing, so that it can grow from none", async () => {
    const zeros = { waiting: 0, running: 0, delayed: 0, workers: 0, slots: 0 };
    expect((await get("/gpu")).body).toMatchObject({ waiting: 3, workers: 0 });
    expect((await get("/later")).body).toEqual({ name: "later", ...zeros });
    expect((await get("/No%20group")).status).toBe(404);
  });

  it("are metrics, and leave the other metrics readable while the queue is away", async () => {
    const text = await readGroupMetrics(groups, note);
    expect(text).toContain('headrace_group_steps_waiting{group="gpu"} 3\n');
    expect(text).toContain('headrace_group_slots{group="default"} 20\n');
    isQueueGone = true;
    const away = createWorkerGroups({ knex: server.knex, runQueue });
    expect(await readGroupMetrics(away, note)).toBe("");
    expect(failures).toEqual([new Error("gone")]);
    isQueueGone = false;
    expect(await readGroupMetrics(away, note)).toContain("headrace_group_workers");
  });
});
