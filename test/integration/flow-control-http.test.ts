import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { mcpDefinitionRoutes } from "../../src/http/routes/mcp-definitions.js";
import { workflowDefinitionRoutes } from "../../src/http/routes/workflow-definitions.js";
import { workflowPauseRoutes } from "../../src/http/routes/workflow-pauses.js";
import { createSafeEvaluator } from "../../src/services/expressions/safe-evaluator.js";
import { createMcpRegistry } from "../../src/services/mcp-registry/mcp-registry.js";
import { createWorkflowDefinitions } from "../../src/services/workflow-definitions/workflow-definitions.js";
import { createWorkflowPauses } from "../../src/services/workflow-definitions/workflow-pauses.js";
import { faultPaths } from "../support/definitions-server.js";
import { startTestServer, type TestServer } from "../support/test-server.js";

const WORKFLOWS = "/api/v1/workflow-definitions";
const MCPS = "/api/v1/mcp-definitions";

describe("flow control over HTTP", () => {
  const evaluator = createSafeEvaluator();
  const nudged: string[] = [];
  let server: TestServer;

  beforeAll(async () => {
    server = await startTestServer({
      routes({ knex, audit, secrets }) {
        const workflows = createWorkflowDefinitions({ knex, audit, evaluator, secrets, maxSteps: 100 });
        const admission = { nudge: (workflowId: string) => void nudged.push(workflowId) };
        return [
          ...mcpDefinitionRoutes({ registry: createMcpRegistry({ knex, audit, evaluator, secrets }) }),
          ...workflowDefinitionRoutes({ workflows }),
          ...workflowPauseRoutes({ workflows, pauses: createWorkflowPauses({ knex, audit, admission }) }),
        ];
      },
    });
  });
  afterAll(async () => {
    await server.close();
    await evaluator.close();
  });

  it("pauses and resumes a workflow: operators may, twice does no harm, the revision stays", async () => {
    const definition = { steps: [{ id: "a", uses: "builtin:noop" }] };
    const made = await server.request({
      method: "POST",
      path: WORKFLOWS,
      body: { name: "nightly", definition },
    });
    expect(made).toMatchObject({ status: 201, body: { isPaused: false, revision: 1 } });
    const turn = async (what: string, as: "viewer" | "operator" | null, name = "nightly") =>
      await server.request({ method: "POST", path: `${WORKFLOWS}/${name}/${what}`, as });
    expect((await turn("pause", null)).status).toBe(401);
    expect((await turn("pause", "viewer", "unknown")).status).toBe(403);
    expect((await turn("pause", "operator", "unknown")).status).toBe(404);
    for (let n = 0; n < 2; n += 1)
      expect(await turn("pause", "operator")).toMatchObject({
        status: 200,
        body: { isPaused: true, revision: 1 },
      });
    const list = await server.request({ path: WORKFLOWS, as: "viewer" });
    expect(list.body["items"]).toMatchObject([{ name: "nightly", isPaused: true }]);
    expect(nudged).toEqual([]);
    expect(await turn("resume", "operator")).toMatchObject({
      status: 200,
      body: { isPaused: false, revision: 1 },
    });
    expect(nudged).toEqual([made.body["id"]]);
    const entries = await server.knex("action_logs").where("entity_id", made.body["id"]).orderBy("seq");
    expect(entries.map(({ action }) => action)).toEqual([
      "workflow.create",
      "workflow.pause",
      "workflow.resume",
    ]);
  });

  it("keeps a component's rate limit, and refuses what is none", async () => {
    const body = { name: "slow", mcpType: "python_script", rateLimit: { limit: 5, seconds: 60 } };
    const made = await server.request({ method: "POST", path: MCPS, body });
    expect(made).toMatchObject({ status: 201, body: { rateLimit: { limit: 5, seconds: 60 } } });
    const patch = async (rateLimit: unknown) =>
      await server.request({ method: "PATCH", path: `${MCPS}/slow`, body: { rateLimit } });
    expect((await patch({ limit: 2, seconds: 1 })).body).toMatchObject({
      rateLimit: { limit: 2, seconds: 1 },
    });
    const tagged = await server.request({ method: "PATCH", path: `${MCPS}/slow`, body: { tags: ["x"] } });
    expect(tagged.body).toMatchObject({ rateLimit: { limit: 2, seconds: 1 }, tags: ["x"] });
    for (const [rateLimit, paths] of [
      [{ limit: 0, seconds: 0 }, ["/rateLimit/limit", "/rateLimit/seconds"]],
      [{ limit: 1, seconds: 1, burst: 2 }, ["/rateLimit/burst"]],
      [{ limit: 1 }, ["/rateLimit/seconds"]],
    ] as const) {
      const refused = await patch(rateLimit);
      expect(refused.status).toBe(422);
      expect(faultPaths(refused.body)).toEqual(paths);
    }
    expect((await patch(null)).body).toMatchObject({ rateLimit: null });
  });
});
