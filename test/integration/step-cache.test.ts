import { afterAll, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { Knex } from "knex";
import { newId } from "../../src/core/ids.js";
import type { JsonValue } from "../../src/core/json.js";
import type { PlanStep } from "../../src/core/plan.js";
import { stepCacheRoutes } from "../../src/http/routes/step-cache.js";
import { type CacheIdentity, keyOf } from "../../src/services/step-cache/cache-key.js";
import { createCacheInvalidation } from "../../src/services/step-cache/cache-invalidation.js";
import { createStepCache, type StepCache } from "../../src/services/step-cache/step-cache.js";
import { startTestServer, type TestServer } from "../support/test-server.js";

const never = new AbortController().signal;

describe("the cache of step results", () => {
  let server: TestServer;
  let knex: Knex;
  let cache: StepCache;
  const workflowId = newId();
  const definitionId = newId();
  const versionIds = [newId(), newId()] as const;

  beforeAll(async () => {
    server = await startTestServer({
      routes({ knex: pool, audit }) {
        cache = createStepCache({ knex: pool });
        return stepCacheRoutes({ invalidation: createCacheInvalidation({ knex: pool, audit, cache }) });
      },
    });
    knex = server.knex;
    await knex("workflow_definitions").insert({ id: workflowId, name: "sales" });
    await knex("mcp_definitions").insert({ id: definitionId, name: "extract", mcp_type: "python_script" });
    for (const [index, id] of versionIds.entries()) {
      const version = { mcp_definition_id: definitionId, version: `1.0.${index}`, version_order: `${index}` };
      await knex("mcp_versions").insert({ id, ...version, config: "{}" });
    }
  });
  afterAll(async () => await server.close());
  beforeEach(async () => void (await knex("step_cache").delete()));

  const targetOf = (mcpVersionId: string) =>
    ({ kind: "mcp", mcpVersionId, name: "extract", version: "1.0.0", mcpType: "python_script" }) as const;
  const stepOf = (step: Partial<PlanStep> = {}): CacheIdentity["step"] => ({
    id: "extract",
    target: targetOf(versionIds[0]),
    inputs: { date: { input: "/date" } },
    cache: { ttlSeconds: 60 },
    ...step,
  });
  const keep = async (key: string, output: JsonValue, more: { ttlSeconds?: number; version?: string } = {}) =>
    await cache.store({
      key,
      output,
      ttlSeconds: more.ttlSeconds ?? 60,
      fromRunId: newId(),
      workflowId,
      target: targetOf(more.version ?? versionIds[0]),
    });

  it("makes a key of what decides the result, and of nothing else", () => {
    const base = { workflowId, step: stepOf(), inputs: { a: 1, b: [2] } };
    const key = keyOf(base);
    expect(key).toMatch(/^[0-9a-f]{64}$/);
    expect(keyOf({ ...base, inputs: { b: [2], a: 1 } })).toBe(key);
    expect(keyOf({ ...base, step: stepOf({ id: "again" }) })).toBe(key);
    const others = [
      { ...base, inputs: { a: 1, b: [3] } },
      { ...base, workflowId: newId() },
      { ...base, step: stepOf({ target: targetOf(versionIds[1]) }) },
      { ...base, step: stepOf({ target: { kind: "builtin", name: "http" } }) },
      { ...base, item: 0 },
    ].map(keyOf);
    expect(new Set([key, ...others]).size).toBe(6);
  });

  it("with a key of the author's, takes that and the step; without one, keeps nothing of secrets", () => {
    const cacheRule = { ttlSeconds: 60, key: "input.date" };
    const token = { token: { secret: "API_TOKEN" } };
    const keyed = (keyValue: JsonValue, step: Partial<PlanStep> = {}) =>
      keyOf({ workflowId, step: stepOf({ cache: cacheRule, ...step }), keyValue });
    expect(keyed("a")).toBe(keyed("a", { inputs: token }));
    expect(keyed("a")).not.toBe(keyed("b"));
    expect(keyed("a")).not.toBe(keyed("a", { id: "other" }));
    expect(keyOf({ workflowId, step: stepOf({ inputs: token }), inputs: { token: "s" } })).toBeUndefined();
    const { cache: _none, ...uncached } = stepOf();
    expect(keyOf({ workflowId, step: uncached, inputs: {} })).toBeUndefined();
  });

  it.each([{ rows: [1, "2", null] }, "123", null, [], false])(
    "gives %j back until its time is over",
    async (output) => {
      expect(await cache.lookup("k")).toBeUndefined();
      expect(await keep("k", "old")).toBe(true);
      expect(await keep("k", output)).toBe(true);
      expect(await cache.lookup("k")).toEqual({ output, fromRunId: expect.any(String) });
      await knex("step_cache").update({ expires_at: knex.fn.now() });
      expect(await cache.lookup("k")).toBeUndefined();
    },
  );

  it("keeps no output that became an artifact, and sweeps what has expired", async () => {
    const entry = { key: "large", ttlSeconds: 60, output: null, fromRunId: newId(), workflowId: null };
    expect(
      await cache.store({ ...entry, outputArtifactId: newId(), target: { kind: "builtin", name: "http" } }),
    ).toBe(false);
    await keep("young", 1);
    await keep("old", 1, { ttlSeconds: 0 });
    expect(await cache.tidy(never)).toBe(1);
    expect(await knex("step_cache").select("key")).toEqual([{ key: "young" }]);
  });

  it("forgets by version, by component and by workflow, for editors, with an audit entry", async () => {
    const fill = async () => {
      await keep("first", 1, { version: versionIds[0] });
      await keep("second", 2, { version: versionIds[1] });
    };
    const clear = async (path: string, as: "operator" | "editor" = "editor") =>
      await server.request({ as, method: "DELETE", path: `/api/v1/${path}/cache` });
    await fill();
    expect((await clear(`mcp-versions/${versionIds[0]}`, "operator")).status).toBe(403);
    for (const path of [
      `mcp-versions/${newId()}`,
      "mcp-versions/extract",
      "mcp-definitions/nope",
      "workflow-definitions/x",
    ])
      expect([path, (await clear(path)).status]).toEqual([path, 404]);
    expect(await clear(`mcp-versions/${versionIds[0]}`)).toMatchObject({ status: 200, body: { removed: 1 } });
    expect(await cache.lookup("first")).toBeUndefined();
    expect(await cache.lookup("second")).toBeDefined();
    await fill();
    expect((await clear("mcp-definitions/extract")).body).toEqual({ removed: 2 });
    await fill();
    expect((await clear("workflow-definitions/sales")).body).toEqual({ removed: 2 });
    expect((await clear(`workflow-definitions/${workflowId}`)).body).toEqual({ removed: 0 });
    const entries = await knex("action_logs")
      .select("action", "entity_id", "after")
      .where("action", "like", "%.clear_cache")
      .orderBy("seq");
    expect(entries.slice(0, 3)).toEqual([
      { action: "mcp_version.clear_cache", entity_id: versionIds[0], after: { removed: 1 } },
      { action: "mcp_definition.clear_cache", entity_id: definitionId, after: { removed: 2 } },
      { action: "workflow_definition.clear_cache", entity_id: workflowId, after: { removed: 2 } },
    ]);
  });
});
