import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { ENTITY_TYPES } from "../../src/contracts/api/entities.js";
import { newId } from "../../src/core/ids.js";
import { entityRoutes } from "../../src/http/routes/entities.js";
import { createEntities } from "../../src/services/entities/entities.js";
import { saveRun } from "../support/build-run.js";
import { type DefinitionsServer, faultPaths, startDefinitionsServer } from "../support/definitions-server.js";

describe("entities", () => {
  let server: DefinitionsServer;
  const ids = new Map<string, string>();

  beforeAll(async () => {
    server = await startDefinitionsServer(({ knex }) => entityRoutes({ entities: createEntities({ knex }) }));
    ids.set("mcp_version", await server.addMcp("one"));
    await server.addMcp("two");
    const definition = { steps: [{ id: "only", uses: "mcp:one@1.0.0" }] };
    const body = { name: "flow", definition };
    const { body: flow } = await server.request({
      method: "POST",
      path: "/api/v1/workflow-definitions",
      body,
    });
    ids.set("workflow_definition", String(flow["id"]));
    ids.set("mcp_definition", (await server.knex("mcp_definitions").first("id").where("name", "one")).id);
    const run = await saveRun(server.knex, { run: { workflow_id: flow["id"], workflow_name: "flow" } });
    ids.set("workflow_run", run.id);
    ids.set("step_run", (await server.knex("step_runs").first("id").where("run_id", run.id)).id);
    const database = {
      id: newId(),
      name: "shop",
      db_type: "postgresql",
      config: '{"host":"h"}',
      secret_names: ["password"],
    };
    await server.knex("external_db_configs").insert(database);
    ids.set("external_db_config", database.id);
    const schedule = {
      id: newId(),
      name: "nightly",
      workflow_id: flow["id"] as unknown as string,
      cron: "0 1 * * *",
    };
    await server.knex("schedules").insert(schedule);
    ids.set("schedule", schedule.id);
    ids.set("user", server.users.operator.id);
  });
  afterAll(async () => await server.close());

  const get = async (path: string, as: "viewer" | "operator" | "admin" = "viewer") =>
    await server.request({ as, path: `/api/v1/entities/${path}` });

  it.each([
    ["mcp_definition", "one", { mcpType: "python_script" }],
    ["mcp_version", "one@1.0.0", { version: "1.0.0", isDeprecated: false }],
    ["workflow_definition", "flow", { latestVersion: 1, publishedVersion: 1, isPaused: false }],
    ["workflow_run", "flow", { status: "running", trigger: "api" }],
    ["step_run", "only", { stepId: "only", itemIndex: null, status: "pending" }],
    ["external_db_config", "shop", { dbType: "postgresql", storedSecrets: ["password"] }],
    ["schedule", "nightly", { cron: "0 1 * * *", enabled: true }],
    ["user", "operator", { isActive: true }],
  ])("shows a %s", async (type, name, details) => {
    const { status, body } = await get(`${type}/${ids.get(type)}`);
    expect(status).toBe(200);
    expect(Object.keys(body).sort()).toEqual([
      "createdAt",
      "createdBy",
      "details",
      "entityType",
      "id",
      "links",
      "name",
      "updatedAt",
    ]);
    expect(body).toMatchObject({ entityType: type, id: ids.get(type), name, details });
    for (const member of ["createdAt", "updatedAt"]) expect(body[member]).toMatch(/^\d{4}-.*\.\d{3}Z$/);
  });

  it("shows the address and role of a person to admins and to that person alone", async () => {
    const path = `user/${server.users.operator.id}`;
    const detailsFor = async (as: "viewer" | "operator" | "admin") => (await get(path, as)).body["details"];
    expect(await detailsFor("viewer")).toEqual({ isActive: true });
    expect(await detailsFor("operator")).toMatchObject({ email: "operator@example.com", role: "operator" });
    expect(await detailsFor("admin")).toMatchObject({ email: "operator@example.com" });
    expect((await get("user")).status).toBe(403);
    expect((await get("user", "admin")).body["items"]).toHaveLength(4);
  });

  it("shows to a narrowed API key what its scopes let it read, and no more", async () => {
    const make = async (scopes: string[]) => {
      const body = { name: "narrow", scopes };
      const made = await server.request({ method: "POST", path: "/api/v1/auth/api-keys", as: "admin", body });
      return String(made.body["key"]);
    };
    const dashboard = await make(["dashboard:read"]);
    const readers: Readonly<Record<string, string>> = {
      mcp_definition: "definition:read",
      mcp_version: "definition:read",
      workflow_definition: "definition:read",
      workflow_run: "run:read",
      step_run: "run:read",
      external_db_config: "connection:read",
      schedule: "schedule:read",
    };
    for (const [type, scope] of Object.entries(readers)) {
      const query = type === "step_run" ? `?runId=${ids.get("workflow_run")}` : "";
      const wide = await make(["dashboard:read", scope]);
      for (const path of [`${type}/${ids.get(type)}`, type + query]) {
        const ask = async (token: string) =>
          (await server.request({ as: null, token, path: `/api/v1/entities/${path}` })).status;
        expect([path, await ask(dashboard), await ask(wide)]).toEqual([path, 403, 200]);
      }
    }
  });

  it("answers 404 for other words, other types' ids, and no ids", async () => {
    const run = ids.get("workflow_run");
    for (const path of [
      `users/${ids.get("user")}`,
      "users",
      "secret",
      `secret/${run}`,
      "workflow_run/abc",
      "__proto__",
    ]) {
      expect([path, (await get(path)).status]).toEqual([path, 404]);
    }
    for (const type of ENTITY_TYPES) {
      const foreign = type === "workflow_run" ? ids.get("step_run") : run;
      expect([type, (await get(`${type}/${foreign}`)).status]).toEqual([type, 404]);
    }
    expect((await server.request({ as: null, path: `/api/v1/entities/workflow_run/${run}` })).status).toBe(
      401,
    );
  });

  it("lists page by page, newest first, and narrows", async () => {
    const names = (body: { [name: string]: unknown }) =>
      (body["items"] as { name: string }[]).map((item) => item.name);
    const first = (await get("mcp_definition?limit=1")).body;
    expect(names(first)).toEqual(["two"]);
    const second = (await get(`mcp_definition?limit=1&cursor=${String(first["nextCursor"])}`)).body;
    expect([names(second), second["nextCursor"]]).toEqual([["one"], null]);
    expect(names((await get("mcp_version?q=ON")).body)).toEqual(["one@1.0.0"]);
    expect(names((await get("mcp_definition?q=%25")).body)).toEqual([]);
    expect(names((await get(`mcp_definition?createdBy=${server.users.editor.id}`)).body)).toEqual([
      "two",
      "one",
    ]);
    expect(names((await get(`mcp_definition?createdBy=${server.users.viewer.id}`)).body)).toEqual([]);
    const past = new Date(Date.now() - 3_600_000).toISOString();
    expect(names((await get(`workflow_run?createdAfter=${past}`)).body)).toEqual(["flow"]);
    expect(names((await get(`workflow_run?createdBefore=${past}`)).body)).toEqual([]);
    expect(names((await get(`step_run?runId=${ids.get("workflow_run")}`)).body)).toEqual(["only"]);
  });

  it("refuses filters that a type does not have", async () => {
    const faults = async (path: string) => {
      const { status, body } = await get(path);
      return [status, faultPaths(body)];
    };
    expect(await faults("step_run")).toEqual([422, ["/runId"]]);
    expect(await faults(`workflow_run?q=a&createdBy=${newId()}`)).toEqual([422, ["/createdBy", "/q"]]);
    expect(await faults(`schedule?runId=${newId()}`)).toEqual([422, ["/runId"]]);
    expect(await faults("schedule?cursor=x")).toEqual([422, ["/cursor"]]);
    expect((await get(`step_run?runId=${newId()}`)).status).toBe(404);
  });
});
