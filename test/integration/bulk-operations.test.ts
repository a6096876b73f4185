import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { Knex } from "knex";
import { newId } from "../../src/core/ids.js";
import { conflict, invalidFields, notFound } from "../../src/errors/app-error.js";
import { bulkOperationRoutes } from "../../src/http/routes/bulk-operations.js";
import { runRoutes } from "../../src/http/routes/runs.js";
import { createBulkOperations } from "../../src/services/bulk-operations/bulk-operations.js";
import { createBulkRunner } from "../../src/services/bulk-operations/bulk-runner.js";
import { createPlanCache } from "../../src/services/engine/plan-cache.js";
import type { RunCommands } from "../../src/services/runs/run-commands.js";
import { createRunQueries } from "../../src/services/runs/run-queries.js";
import { startBulkOperations } from "../../workers/bulk-task.js";
import type { Loop } from "../../workers/loop.js";
import { saveRun } from "../support/build-run.js";
import { eventually } from "../support/eventually.js";
import { startTestServer, type TestServer } from "../support/test-server.js";

const BULK = "/api/v1/workflow-runs/bulk";
const never = new AbortController().signal;

/** Commands that do to rows what the engine would; the engine's tests have the rest. */
function createRowCommands(knex: Knex): RunCommands & { readonly actors: string[] } {
  const actors: string[] = [];
  const unused = async () => await Promise.reject(new Error("not called"));
  return {
    actors,
    start: unused,
    startTest: unused,
    decide: unused,
    async cancel(runId, actor) {
      actors.push(actor.name);
      const run = await knex("workflow_runs").first("finished_at").where("id", runId);
      if (!run) throw notFound("Run");
      if (run.finished_at) throw conflict("the run has ended");
      await knex("workflow_runs")
        .where("id", runId)
        .update({ status: "canceled", finished_at: knex.fn.now() });
    },
    async rerun(runId, rerun, actor) {
      actors.push(actor.name);
      const run = await knex("workflow_runs").first("finished_at", "labels").where("id", runId);
      if (!run) throw notFound("Run");
      if (!run.finished_at) throw conflict("the run goes on");
      if (rerun.from === "nostep") throw invalidFields([{ path: "/from", message: "is no step" }]);
      const id = rerun.newRunId ?? newId();
      await saveRun(knex, {
        run: { id, replay_of: runId, labels: JSON.stringify({ from: rerun.from ?? "" }) },
      });
      return { runId: id };
    },
  };
}

describe("bulk operations", () => {
  let server: TestServer;
  let knex: Knex;
  let commands: ReturnType<typeof createRowCommands>;
  let task: Loop | undefined;

  beforeAll(async () => {
    server = await startTestServer({
      routes({ knex: pool, audit }) {
        commands = createRowCommands(pool);
        const artifacts = {
          findMany: async () => [],
          readJson: async () => null,
          listFilesOfRun: async () => [],
        };
        const queries = createRunQueries({ knex: pool, plans: createPlanCache({ knex: pool }), artifacts });
        const hub = { waitForRun: async () => true };
        return [
          ...runRoutes({ commands, queries, hub }),
          ...bulkOperationRoutes({ bulk: createBulkOperations({ knex: pool, audit }) }),
        ];
      },
    });
    knex = server.knex;
  });
  afterAll(async () => await server.close());
  beforeEach(() => void commands.actors.splice(0));
  afterEach(async () => {
    await task?.stop();
    task = undefined;
    await knex("bulk_operations").whereNull("finished_at").delete();
  });

  const startTask = (given: Pick<RunCommands, "cancel" | "rerun"> = commands) => {
    task = startBulkOperations(server, given);
  };
  const post = async (body: unknown, as: "viewer" | "operator" | null = "operator") =>
    await server.request({ as, method: "POST", path: BULK, body });
  const get = async (id: unknown) => await server.request({ as: "viewer", path: `${BULK}/${String(id)}` });
  const waitFor = async (id: unknown, status: string) => {
    await eventually(`it is ${status}`, async () => (await get(id)).body["status"] === (status as never));
    return (await get(id)).body;
  };
  /** Runs with a label of their own. */
  async function saveRuns(
    label: string,
    count: number,
    run: Record<string, unknown> = {},
  ): Promise<string[]> {
    const ids: string[] = [];
    for (let n = 0; n < count; n += 1) {
      const labels = JSON.stringify({ group: label });
      ids.push((await saveRun(knex, { run: { labels, ...run } })).id);
    }
    return ids;
  }
  const ended = { status: "failed", finished_at: new Date() };
  const statuses = async (ids: string[]) =>
    (await knex("workflow_runs").select("status").whereIn("id", ids).orderBy("id")).map((row) => row.status);
  const replaysOf = async (ids: string[]) =>
    await knex("workflow_runs").whereIn("replay_of", ids).orderBy("replay_of");

  it("cancels what a filter leaves at that moment, as the person who asked", async () => {
    const going = await saveRuns("cancel", 3);
    const over = await saveRuns("cancel", 1, ended);
    const others = await saveRuns("other", 1);
    const filter = { label: "group:cancel", createdAfter: "2020-01-01", createdBefore: "2999-01-01" };
    const asked = await post({ action: "cancel", filter });
    expect(asked).toMatchObject({
      status: 202,
      body: {
        action: "cancel",
        status: "queued",
        total: 3,
        done: 0,
        filter: { label: ["group:cancel"] },
        errors: [],
      },
    });
    const id = asked.body["id"];
    expect(asked.headers.location).toBe(`${BULK}/${String(id)}`);
    const late = await saveRuns("cancel", 1);
    startTask();
    const done = await waitFor(id, "succeeded");
    expect(done).toMatchObject({ total: 3, done: 3, succeeded: 3, failed: 0, skipped: 0, ratePerSecond: 20 });
    expect(Date.parse(String(done["finishedAt"]))).toBeGreaterThanOrEqual(
      Date.parse(String(done["startedAt"])),
    );
    expect(await statuses(going)).toEqual(["canceled", "canceled", "canceled"]);
    expect(await statuses([...over, ...others, ...late])).toEqual(["failed", "running", "running"]);
    expect(commands.actors).toEqual(Array.from({ length: 3 }, () => "operator@example.com"));
    const entry = await knex("action_logs").where("entity_id", String(id)).first();
    expect(entry).toMatchObject({
      action: "run.bulk",
      actor_name: "operator@example.com",
      after: { total: 3 },
    });
    const list = await server.request({ as: "viewer", path: `${BULK}?limit=1` });
    expect(list).toMatchObject({ status: 200, body: { items: [{ id }] } });
    expect(await server.request({ method: "POST", path: `${BULK}/${String(id)}/cancel` })).toMatchObject({
      status: 409,
    });
  });

  it("reruns by ids and replays, counting what does not fit and what fails", async () => {
    const [one = "", other = ""] = await saveRuns("rerun", 2, ended);
    const [going = ""] = await saveRuns("rerun", 1);
    startTask();
    const ids = [other, going, one, newId()];
    const reran = await post({ action: "rerun", from: "load", filter: { ids } });
    expect(reran.body).toMatchObject({ from: "load", total: 3 });
    expect(await waitFor(reran.body["id"], "succeeded")).toMatchObject({
      succeeded: 2,
      skipped: 1,
      failed: 0,
    });
    expect(await replaysOf([one, other])).toMatchObject([
      { replay_of: one, labels: { from: "load" } },
      { replay_of: other, labels: { from: "load" } },
    ]);
    const replayed = await post({
      action: "replay",
      filter: { label: ["group:rerun"], status: "failed" },
      limit: 1,
    });
    expect(await waitFor(replayed.body["id"], "succeeded")).toMatchObject({ total: 1, succeeded: 1 });
    expect((await replaysOf([other])).map((row) => row.labels.from).sort()).toEqual(["load", "start"]);
    const failing = await post({ action: "rerun", from: "nostep", filter: { ids: [one] } });
    expect(await waitFor(failing.body["id"], "failed")).toMatchObject({
      failed: 1,
      errors: [{ runId: one, message: "/from: is no step" }],
    });
    const nothing = await post({ action: "cancel", filter: { workflow: "no-such-workflow" } });
    expect(await waitFor(nothing.body["id"], "succeeded")).toMatchObject({ total: 0, done: 0 });
  });

  it("keeps to its rate, and stops when it is told to", async () => {
    const ids = await saveRuns("rate", 12);
    const { body } = await post({ action: "cancel", filter: { label: "group:rate" }, ratePerSecond: 4 });
    startTask();
    await eventually("some are done", async () => Number((await get(body["id"])).body["done"]) >= 3);
    const stopped = await server.request({
      as: "operator",
      method: "POST",
      path: `${BULK}/${String(body["id"])}/cancel`,
    });
    expect(stopped).toMatchObject({ status: 202, body: { status: "canceled" } });
    await new Promise((resolve) => setTimeout(resolve, 600));
    const rows = await knex("workflow_runs")
      .select(knex.raw("extract(epoch FROM finished_at)::float8 AS at"))
      .whereIn("id", ids)
      .whereNotNull("finished_at")
      .orderBy("finished_at");
    const times = rows.map((row) => row.at as number);
    expect(times.length).toBeLessThan(8);
    // one at a time, a quarter of a second apart by the database's clock
    times.slice(1).forEach((at, index) => expect(at - (times[index] ?? 0)).toBeGreaterThan(0.2));
    expect((await get(body["id"])).body).toMatchObject({ status: "canceled", done: times.length });
  });

  it("is taken up after the death of its process: every run is rerun once", async () => {
    const ids = await saveRuns("death", 6, ended);
    const { body } = await post({ action: "replay", filter: { label: "group:death" }, ratePerSecond: 200 });
    const { audit, logger } = server;
    let calls = 0;
    const dying: Pick<RunCommands, "cancel" | "rerun"> = {
      cancel: commands.cancel,
      async rerun(...given) {
        calls += 1;
        // half of them die after the effect, half before it; neither ever comes back
        if (calls % 2 === 0) await commands.rerun(...given);
        return await new Promise(() => undefined);
      },
    };
    void createBulkRunner({ knex, commands: dying, audit, logger }).advance(never);
    await eventually("it has begun", async () => (await replaysOf(ids)).length === 2 && calls === 4);
    await knex("bulk_operation_items")
      .where("status", "working")
      .update({ claimed_until: new Date(0) });
    startTask();
    expect(await waitFor(body["id"], "succeeded")).toMatchObject({ total: 6, succeeded: 6, done: 6 });
    const replays = await replaysOf(ids);
    expect(replays.map((row) => row.replay_of)).toEqual(ids);
    const items = await knex("bulk_operation_items")
      .where("operation_id", String(body["id"]))
      .orderBy("position");
    expect(items.map((item) => item.new_run_id).sort()).toEqual(replays.map((row) => row.id).sort());
  });

  it("tries faults of ours again, and counts a cancel that had its effect", async () => {
    const [id = ""] = await saveRuns("fault", 1);
    let calls = 0;
    const { body } = await post({ action: "cancel", filter: { ids: [id] } });
    startTask({
      rerun: commands.rerun,
      async cancel(...given) {
        calls += 1;
        await commands.cancel(...given);
        if (calls === 1) throw new Error("connection lost");
      },
    });
    await eventually("it was tried", () => calls === 1);
    await knex("bulk_operation_items")
      .where("status", "working")
      .update({ claimed_until: new Date(0) });
    expect(await waitFor(body["id"], "succeeded")).toMatchObject({ succeeded: 1, failed: 0, skipped: 0 });
  });

  it("ends when its author may no longer do this", async () => {
    const ids = await saveRuns("author", 2);
    const user = await server.addUser("operator", "leaving@example.com");
    const { body } = await server.request({
      token: user.token,
      method: "POST",
      path: BULK,
      body: { action: "cancel", filter: { ids } },
    });
    await knex("users").where("id", user.id).update({ role: "viewer" });
    startTask();
    expect(await waitFor(body["id"], "canceled")).toMatchObject({ total: 2, done: 0 });
    expect(await statuses(ids)).toEqual(["running", "running"]);
  });

  it.each([
    [{}, ["/action", "/filter"]],
    [{ action: "delete", filter: {} }, ["/action", "/filter"]],
    [{ action: "cancel", filter: { status: "nope", owner: "x" } }, ["/filter/owner", "/filter/status"]],
    [
      { action: "cancel", filter: { label: "x", createdAfter: "yesterday" } },
      ["/filter/createdAfter", "/filter/label"],
    ],
    [{ action: "cancel", filter: { ids: [] } }, ["/filter/ids"]],
    [{ action: "cancel", filter: { ids: ["1"] } }, ["/filter/ids/0"]],
    [
      { action: "cancel", filter: { workflow: "w" }, ratePerSecond: 0, limit: 10_001 },
      ["/limit", "/ratePerSecond"],
    ],
    [{ action: "cancel", filter: { workflow: "w" }, ratePerSecond: 201 }, ["/ratePerSecond"]],
    [{ action: "replay", from: "load", filter: { workflow: "w" } }, ["/from"]],
  ])("refuses %j with every fault", async (body, paths) => {
    const answer = await post(body);
    expect(answer.status).toBe(422);
    expect((answer.body["errors"] as unknown as { path: string }[]).map(({ path }) => path).sort()).toEqual(
      paths,
    );
  });

  it("asks for the permissions of one run, and tells its paths from those of runs", async () => {
    const body = { action: "cancel", filter: { workflow: "w" } };
    expect((await post(body, "viewer")).status).toBe(403);
    expect((await post(body, null)).status).toBe(401);
    expect((await get(newId())).status).toBe(404);
    expect((await get("nonsense")).status).toBe(404);
    for (const as of ["viewer", "operator"] as const) {
      const answer = await server.request({ as, method: "POST", path: `${BULK}/${newId()}/cancel` });
      expect(answer.status).toBe(as === "viewer" ? 403 : 404);
    }
    expect((await server.request({ as: "viewer", path: BULK })).body).toHaveProperty("items");
    expect((await server.request({ method: "PUT", path: BULK })).headers.allow).toContain("POST");
  });
});
