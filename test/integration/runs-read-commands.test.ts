import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { notFound } from "../../src/errors/app-error.js";
import { runRoutes } from "../../src/http/routes/runs.js";
import { createPlanCache } from "../../src/services/engine/plan-cache.js";
import type { RunCommands, StartRun } from "../../src/services/runs/run-commands.js";
import { createRunQueries } from "../../src/services/runs/run-queries.js";
import { saveRun } from "../support/build-run.js";
import { startTestServer, type TestServer } from "../support/test-server.js";

/** The door of the commands: what they are given, and how their answers are told. The engine's tests have the rest. */
describe("starting and cancelling runs over HTTP", () => {
  let server: TestServer;
  let versionId: string;
  const started: StartRun[] = [];
  const runByKey = new Map<string, string>();
  const waits: number[] = [];

  beforeAll(async () => {
    server = await startTestServer({
      routes: ({ knex }) => {
        const store = {
          findMany: async () => [],
          readJson: async () => null,
          listFilesOfRun: async () => [],
        };
        const queries = createRunQueries({ knex, plans: createPlanCache({ knex }), artifacts: store });
        const commands: RunCommands = {
          async start(command) {
            started.push(command);
            if (command.workflow === "unknown") throw notFound("Workflow");
            const known = runByKey.get(command.idempotencyKey ?? "");
            if (known) return { runId: known, replayed: true };
            const { id } = await saveRun(knex);
            if (command.idempotencyKey !== undefined) runByKey.set(command.idempotencyKey, id);
            return { runId: id, replayed: false };
          },
          startTest: async () => ({ runId: (await saveRun(knex, { run: { trigger: "test" } })).id }),
          async cancel(runId) {
            await knex("workflow_runs").where("id", runId).update({ status: "canceled" });
          },
          rerun: async () => Promise.reject(new Error("not used")),
          decide: async () => Promise.reject(new Error("not used")),
        };
        const hub = {
          async waitForRun(runId: string, ms: number) {
            waits.push(ms);
            await knex("workflow_runs").where("id", runId).update({ status: "succeeded" });
            return true;
          },
        };
        return runRoutes({ commands, queries, hub });
      },
    });
    const definitionId = newId();
    versionId = newId();
    await server
      .knex("mcp_definitions")
      .insert({ id: definitionId, name: "tested", mcp_type: "python_script" });
    await server.knex("mcp_versions").insert({
      id: versionId,
      mcp_definition_id: definitionId,
      version: "1.0.0",
      version_order: "1",
      config: "{}",
    });
  });
  afterAll(async () => await server.close());
  beforeEach(() => void started.splice(0));

  const start = async (body: unknown, headers: Record<string, string> = {}, query = "") =>
    await server.request({
      as: "operator",
      method: "POST",
      path: `/api/v1/workflow-runs${query}`,
      body,
      headers,
    });

  it("hands over a command with its defaults, and answers 202 with the run", async () => {
    const { status, headers, body } = await start({ workflow: "sales" });
    expect(status).toBe(202);
    expect(headers.location).toBe(`/api/v1/workflow-runs/${String(body["id"])}`);
    expect(body).toMatchObject({ status: "running", stepCounts: { total: 1 } });
    expect(started).toEqual([
      {
        workflow: "sales",
        input: {},
        priority: 0,
        delaySeconds: 0,
        labels: {},
        trigger: "api",
        idempotencyKey: undefined,
        bodyHash: expect.any(String),
      },
    ]);
    await start({
      workflow: "sales",
      version: 2,
      input: [1],
      priority: -1000,
      delaySeconds: 31_536_000,
      labels: { "a.b_c-D": "" },
    });
    expect(started[1]).toMatchObject({
      version: 2,
      input: [1],
      priority: -1000,
      delaySeconds: 31_536_000,
      labels: { "a.b_c-D": "" },
    });
  });

  it("answers a replay with 200 and says so; member order does not make another body", async () => {
    const key = { "idempotency-key": "k-1" };
    const first = await start({ workflow: "sales", input: { a: 1, b: 2 } }, key);
    const again = await start({ input: { b: 2, a: 1 }, workflow: "sales" }, key);
    expect(first.headers["idempotency-replayed"]).toBeUndefined();
    expect(again).toMatchObject({
      status: 200,
      headers: { "idempotency-replayed": "true" },
      body: { id: first.body["id"] },
    });
    expect(started[1]?.bodyHash).toBe(started[0]?.bodyHash);
    await start({ workflow: "sales", input: { a: 1, b: 3 } }, key);
    expect(started[2]?.bodyHash).not.toBe(started[0]?.bodyHash);
  });

  it.each([
    [{}, ["/workflow"]],
    [{ workflow: "" }, ["/workflow"]],
    [{ workflow: "w", version: 0 }, ["/version"]],
    [{ workflow: "w", version: 1.5 }, ["/version"]],
    [{ workflow: "w", version: "1" }, ["/version"]],
    [{ workflow: "w", priority: 1e9, delaySeconds: -1 }, ["/priority", "/delaySeconds"]],
    [{ workflow: "w", delaySeconds: 1e10 }, ["/delaySeconds"]],
    [{ workflow: "w", labels: { "a:b": "x" } }, ["/labels/a:b"]],
    [{ workflow: "w", labels: { a: "x".repeat(256) } }, ["/labels/a"]],
    [
      { workflow: "w", labels: Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`l${n}`, ""])) },
      ["/labels"],
    ],
    [{ workflow: "w", labels: { a: 1 } }, ["/labels/a"]],
    [{ workflow: "w", trigger: "schedule", id: "x", createdBy: "y" }, ["/trigger", "/id", "/createdBy"]],
  ])("refuses %j with every fault", async (body, paths) => {
    const answer = await start(body);
    expect(answer.status).toBe(422);
    expect((answer.body["errors"] as unknown as { path: string }[]).map((fault) => fault.path)).toEqual(
      paths,
    );
    expect(started).toEqual([]);
  });

  it.each(["x".repeat(256), "tab\there", "caf\u00e9"])("refuses the Idempotency-Key %j", async (key) => {
    const answer = await start({ workflow: "w" }, { "idempotency-key": key });
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ path: "/headers/Idempotency-Key" }] } });
    expect(started).toEqual([]);
  });

  it("waits for the end when asked to", async () => {
    expect(await start({ workflow: "w" }, {}, "?wait=60")).toMatchObject({
      status: 202,
      body: { status: "succeeded" },
    });
    expect(waits).toEqual([60_000]);
    expect(await start({ workflow: "w" }, {}, "?wait=0")).toMatchObject({
      status: 202,
      body: { status: "running" },
    });
    for (const wait of ["61", "-1", "abc", "1.5", ""]) {
      expect(await start({ workflow: "w" }, {}, `?wait=${wait}`)).toMatchObject({
        status: 422,
        body: { errors: [{ path: "/wait" }] },
      });
    }
  });

  it("tests a version, and cancels", async () => {
    const path = `/api/v1/mcp-versions/${versionId}/test`;
    const tested = await server.request({ as: "operator", method: "POST", path, body: { inputs: { a: 1 } } });
    expect(tested).toMatchObject({ status: 202, body: { trigger: "test" } });
    const faulty = { inputs: [], code: "print(1)" };
    expect((await server.request({ as: "operator", method: "POST", path, body: faulty })).status).toBe(422);
    const unknown = `/api/v1/mcp-versions/${newId()}/test`;
    expect(
      (await server.request({ as: "operator", method: "POST", path: unknown, body: faulty })).status,
    ).toBe(404);
    const cancel = `/api/v1/workflow-runs/${String(tested.body["id"])}/cancel`;
    expect(await server.request({ as: "operator", method: "POST", path: cancel })).toMatchObject({
      status: 202,
      body: { status: "canceled" },
    });
    expect(
      (
        await server.request({
          as: "operator",
          method: "POST",
          path: `/api/v1/workflow-runs/${newId()}/cancel`,
        })
      ).status,
    ).toBe(404);
  });

  it("lets viewers read and nothing else", async () => {
    const { id } = await saveRun(server.knex);
    const posts = [
      "/api/v1/workflow-runs",
      `/api/v1/workflow-runs/${id}/cancel`,
      `/api/v1/mcp-versions/${versionId}/test`,
    ];
    for (const path of posts) {
      expect((await server.request({ as: "viewer", method: "POST", path, body: {} })).status).toBe(403);
      expect((await server.request({ as: null, method: "POST", path, body: {} })).status).toBe(401);
    }
    expect((await start({ workflow: "unknown" })).status).toBe(404);
    expect((await server.request({ method: "PUT", path: "/api/v1/workflow-runs" })).status).toBe(405);
  });
});
