import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { conflict } from "../../src/errors/app-error.js";
import { runChangeRoutes } from "../../src/http/routes/run-changes.js";
import { createPlanCache } from "../../src/services/engine/plan-cache.js";
import { createRunPins } from "../../src/services/runs/run-pins.js";
import { createRunQueries } from "../../src/services/runs/run-queries.js";
import { saveRun } from "../support/build-run.js";
import { startTestServer, type TestServer } from "../support/test-server.js";

/** The door of the commands: what they are given, and how their answers are told. The engine's tests have the rest. */
describe("running again and deciding over HTTP", () => {
  let server: TestServer;
  let runId: string;
  let newRunId: string;
  const given: unknown[] = [];

  beforeAll(async () => {
    server = await startTestServer({
      routes({ knex, audit }) {
        const artifacts = {
          findMany: async () => [],
          readJson: async () => null,
          listFilesOfRun: async () => [],
        };
        const queries = createRunQueries({ knex, plans: createPlanCache({ knex }), artifacts });
        const commands = {
          async rerun(...[id, rerun, actor]: [string, unknown, { name: string }]) {
            given.push([id, rerun, actor.name]);
            return await Promise.resolve({ runId: newRunId });
          },
          async decide(...[id, stepId, decision]: [string, string, unknown]) {
            given.push([id, stepId, decision]);
            if (stepId === "busy") throw conflict("nothing waits there");
            return await Promise.resolve();
          },
        };
        return runChangeRoutes({ commands, queries, pins: createRunPins({ knex, audit }) });
      },
    });
    runId = (await saveRun(server.knex)).id;
    newRunId = (await saveRun(server.knex, { run: { replay_of: runId } })).id;
  });
  afterAll(async () => await server.close());
  beforeEach(() => void given.splice(0));

  const post = async (
    path: string,
    body?: unknown,
    as: "viewer" | "operator" | null = "operator",
    id = runId,
  ) => await server.request({ as, method: "POST", path: `/api/v1/workflow-runs/${id}/${path}`, body });

  it("reruns and replays, with or without a body, and answers with the new run", async () => {
    const answer = await post("rerun", { from: "load", input: [1], version: 2 });
    expect(answer).toMatchObject({ status: 202, body: { id: newRunId, replayOf: runId } });
    expect(answer.headers.location).toBe(`/api/v1/workflow-runs/${newRunId}`);
    expect((await post("rerun")).status).toBe(202);
    expect((await post("replay", { input: null })).status).toBe(202);
    expect((await post("replay")).status).toBe(202);
    const by = "operator@example.com";
    expect(given).toEqual([
      [runId, { from: "load", input: [1], version: 2 }, by],
      [runId, {}, by],
      [runId, { input: null, from: "start" }, by],
      [runId, { from: "start" }, by],
    ]);
  });

  it("hands decisions over, and tells what they came to", async () => {
    const full = { comment: "fine", values: { amount: 3 }, itemIndex: 0 };
    expect(await post("steps/ask/approve", full)).toMatchObject({ status: 200, body: { id: runId } });
    expect(await post("steps/ask/reject")).toMatchObject({ status: 200, body: { id: runId } });
    expect((await post("steps/busy/approve")).status).toBe(409);
    expect(given).toEqual([
      [runId, "ask", { ...full, decision: "approve" }],
      [runId, "ask", { decision: "reject" }],
      [runId, "busy", { decision: "approve" }],
    ]);
  });

  it.each([
    ["rerun", { from: "", version: 0, newRunId: "x" }, ["/from", "/newRunId", "/version"]],
    ["rerun", { from: 1 }, ["/from"]],
    ["replay", { from: "start", version: 1.5 }, ["/from", "/version"]],
    ["steps/ask/approve", { values: [], comment: 1, itemIndex: -1 }, ["/comment", "/itemIndex", "/values"]],
    ["steps/ask/reject", { decision: "approve" }, ["/decision"]],
  ])("refuses faults in the body of %s %j", async (path, body, paths) => {
    const answer = await post(path, body);
    expect(answer.status).toBe(422);
    expect(
      (answer.body["errors"] as unknown as { path: string }[]).map((fault) => fault.path).sort(),
    ).toEqual(paths);
    expect(given).toEqual([]);
  });

  it("judges sign-in, role and existence before the body", async () => {
    for (const path of ["rerun", "replay", "pin", "unpin", "steps/ask/approve", "steps/ask/reject"]) {
      const body = { nonsense: true };
      expect([path, (await post(path, body, null)).status]).toEqual([path, 401]);
      expect([path, (await post(path, body, "viewer")).status]).toEqual([path, 403]);
      for (const id of [newId(), "nonsense"])
        expect([path, (await post(path, body, "operator", id)).status]).toEqual([path, 404]);
    }
    expect(given).toEqual([]);
  });
});
