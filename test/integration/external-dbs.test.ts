import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createTestDatabase, type TestDatabase } from "../support/test-database.js";
import { startWorker, type Worker } from "../../workers/worker.js";
import { startWebhooksApi, type WebhooksApi } from "../support/webhooks-api.js";

const PATH = "/api/v1/external-db-configs";

let api: WebhooksApi;
let database: TestDatabase;
let worker: Worker;
let config: Record<string, unknown>;

const make = async (body: object) =>
  await api.request({ method: "POST", path: PATH, body: { ...config, ...body } });
const query = async (name: string, body: object) =>
  await api.request({ method: "POST", path: `${PATH}/${name}/query`, body });
const pathsOf = (body: Record<string, unknown>) =>
  (body["errors"] as { path: string }[]).map(({ path }) => path).sort();

describe("external databases", () => {
  beforeAll(async () => {
    api = await startWebhooksApi({ ALLOWED_HOSTS_PRIVATE: "127.0.0.1" });
    worker = await startWorker(api.platform, { groups: ["default"], concurrency: 4, version: "test" });
    database = await createTestDatabase();
    await database.knex.raw("CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL)");
    await database.knex.raw("INSERT INTO customer VALUES (1, 'Ada'), (2, 'Grace')");
    const url = new URL(database.url);
    config = {
      dbType: "postgresql",
      host: "127.0.0.1",
      port: Number(url.port || 5432),
      databaseName: url.pathname.slice(1),
      username: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password) || "not needed here",
    };
  }, 120_000);

  afterAll(async () => {
    await worker.close(1_000);
    await api.close();
    await database.drop();
  });

  describe("/external-db-configs", () => {
    it("registers, shows without secrets, changes and forgets", async () => {
      const made = await make({ name: "crud" });
      expect(made.status).toBe(201);
      const { id } = made.body as unknown as { id: string };
      expect(made.headers.location).toBe(`${PATH}/${id}`);
      expect(made.body).toMatchObject({
        name: "crud",
        dbType: "postgresql",
        host: "127.0.0.1",
        hasPassword: true,
        revision: 1,
      });
      expect(made.text).not.toContain(String(config["password"]));
      expect((await make({ name: "crud" })).status).toBe(409);
      const shown = await api.request({ as: "viewer", path: `${PATH}/crud` });
      expect(shown.body).toEqual(made.body);
      const listed = await api.request({ as: "viewer", path: PATH });
      expect((listed.body["items"] as unknown as { name: string }[]).map(({ name }) => name)).toContain(
        "crud",
      );
      const patch = { method: "PATCH", path: `${PATH}/${id}`, body: { databaseName: "elsewhere" } };
      expect((await api.request({ ...patch, headers: { "if-match": '"7"' } })).status).toBe(412);
      const changed = await api.request({ ...patch, headers: { "if-match": '"1"' } });
      expect(changed.body).toMatchObject({ databaseName: "elsewhere", revision: 2, hasPassword: true });
      expect((await api.request({ method: "DELETE", path: `${PATH}/${id}` })).status).toBe(204);
      expect((await api.request({ path: `${PATH}/${id}` })).status).toBe(404);
      const { rows } = await api.platform.knex.raw(
        "SELECT action, before::text || after::text AS text FROM action_logs WHERE entity_id = ? ORDER BY seq",
        [id],
      );
      expect(rows.map((row: { action: string }) => row.action)).toEqual([
        "external_db.create",
        "connection.write", // the change that was refused
        "external_db.update",
        "external_db.delete",
      ]);
      expect(JSON.stringify(rows)).not.toContain(String(config["password"]));
    });

    it("names every fault", async () => {
      const refused = await make({
        name: "1",
        host: "169.254.169.254",
        port: 0,
        projectId: "p",
        options: { sslrootcert: "/etc/shadow" },
      });
      expect(refused.status).toBe(422);
      expect(pathsOf(refused.body)).toEqual(["/name", "/port"]);
      const second = await make({
        name: "x",
        host: "localhost",
        projectId: "p",
        options: { sslrootcert: "/etc/shadow", passfile: "/x" },
      });
      expect(pathsOf(second.body)).toEqual(["/options/passfile", "/options/sslrootcert", "/projectId"]);
      for (const host of [
        "169.254.169.254",
        "127.0.0.2",
        "0x7f000002",
        "2130706434",
        "::1",
        "[::1]",
        "10.1.2.3",
        "/var/run/postgresql",
        "a b",
        "http://x",
      ]) {
        const answer = await make({ name: "x", host });
        expect([host, answer.status, answer.status === 422 && pathsOf(answer.body)]).toEqual([
          host,
          422,
          ["/host"],
        ]);
      }
      const file = await api.request({
        method: "POST",
        path: PATH,
        body: { name: "x", dbType: "sqlite", databaseName: "../x.db" },
      });
      expect(pathsOf(file.body)).toEqual(["/databaseName"]);
      const extra = await api.request({
        method: "POST",
        path: PATH,
        body: { name: "x", dbType: "sqlite", databaseName: "x.db", password: "abc" },
      });
      expect(pathsOf(extra.body)).toEqual(["/password"]);
    });

    it("asks for the password again where it would be sent elsewhere", async () => {
      await make({ name: "moving" });
      const move = async (body: object) =>
        await api.request({ method: "PATCH", path: `${PATH}/moving`, body });
      for (const body of [{ host: "db.example.com" }, { port: 6_000 }, { ssl: { verify: false } }]) {
        const refused = await move(body);
        expect([refused.status, pathsOf(refused.body)]).toEqual([422, ["/password"]]);
      }
      expect((await move({ port: config["port"] })).status).toBe(200);
      expect((await move({ host: "db.example.com", password: "another" })).status).toBe(200);
    });

    it("lets roles do what they may", async () => {
      await make({ name: "roles" });
      const status = async (
        as: "viewer" | "operator" | "editor" | null,
        method: string,
        path: string,
        body?: object,
      ) => (await api.request({ as, method, path, body })).status;
      expect(await status(null, "GET", PATH)).toBe(401);
      expect(await status("viewer", "GET", PATH)).toBe(200);
      expect(await status("operator", "POST", PATH, {})).toBe(403);
      for (const call of [
        ["POST", "test"],
        ["POST", "query"],
        ["GET", "schema"],
      ] as const) {
        expect(await status("operator", call[0], `${PATH}/roles/${call[1]}`)).toBe(403);
      }
      expect(await status("editor", "GET", `${PATH}/roles/schema`)).toBe(200);
    });

    it("shows a table whose name holds what PostgreSQL cannot store", async () => {
      const program = [
        "import sqlite3, sys",
        "d = sqlite3.connect(sys.argv[1])",
        "d.execute('CREATE TABLE fine (a INT)')",
        "d.execute('CREATE TABLE t (a INT)')",
        "d.execute('CREATE VIEW v AS SELECT 1 AS a')",
        "d.commit()",
        "d.execute('PRAGMA writable_schema = ON')",
        "d.execute(\"UPDATE sqlite_schema SET name = name || char(0) || 'x' WHERE name IN ('t', 'v')\")",
        "d.commit()",
      ].join("\n");
      const file = join(api.platform.settings.DATA_DIR, "nul.db");
      const made = spawnSync("python3", ["-c", program, file]);
      expect(String(made.stderr)).toBe("");
      const body = { name: "nul", dbType: "sqlite", databaseName: "nul.db" };
      expect((await api.request({ method: "POST", path: PATH, body })).status).toBe(201);
      for (const path of [`${PATH}/nul/schema`, `${PATH}/nul/schema`]) {
        const schema = await api.request({ path });
        expect(schema.status).toBe(200);
        const { schemas } = schema.body as unknown as { schemas: { tables: { name: string }[] }[] };
        expect(schemas[0]?.tables.map(({ name }) => name)).toEqual(["fine", "t\ufffdx", "v\ufffdx"]);
      }
    });

    it("tests, queries and scans", async () => {
      await make({ name: "working" });
      const tested = await api.request({ method: "POST", path: `${PATH}/working/test` });
      expect(tested.body).toMatchObject({ ok: true, serverVersion: expect.stringMatching(/^\d+/) });
      const found = await query("working", { sql: "SELECT * FROM customer WHERE id = $1", params: [2] });
      expect(found.body).toEqual({
        columns: [
          { name: "id", type: "integer" },
          { name: "name", type: "text" },
        ],
        rows: [{ id: 2, name: "Grace" }],
        rowCount: 1,
        truncated: false,
      });
      expect((await query("working", { sql: "DELETE FROM customer" })).status).toBe(422);
      expect(pathsOf((await query("working", { sql: "SELEKT" })).body)).toEqual(["/sql"]);
      expect(pathsOf((await query("working", { sql: "SELECT $1::int", params: [] })).body)).toEqual([
        "/params",
      ]);
      expect(pathsOf((await query("working", { sql: "SELECT 1", maxRows: 1e9 })).body)).toEqual(["/maxRows"]);
      const startedAt = performance.now();
      expect((await query("working", { sql: "SELECT pg_sleep(100)", timeoutSeconds: 1 })).status).toBe(502);
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      const schema = await api.request({ path: `${PATH}/working/schema` });
      const { schemas, scannedAt } = schema.body as unknown as {
        schemas: { tables: object[] }[];
        scannedAt: string;
      };
      const tables = schemas.flatMap((one) => one.tables);
      expect(tables).toContainEqual(expect.objectContaining({ name: "customer", kind: "table" }));
      await database.knex.raw("CREATE TABLE added (id int)");
      expect((await api.request({ path: `${PATH}/working/schema` })).body["scannedAt"]).toBe(scannedAt);
      const again = await api.request({ path: `${PATH}/working/schema?refresh=true` });
      expect(JSON.stringify(again.body)).toContain('"added"');
    });

    it("tells why a database does not answer, without its password", async () => {
      await make({ name: "away", port: 1, password: "s3cret-passw0rd" });
      const tested = await api.request({ method: "POST", path: `${PATH}/away/test` });
      expect(tested.status).toBe(200);
      expect(tested.body).toMatchObject({ ok: false, error: expect.any(String) });
      expect(tested.text).not.toContain("s3cret");
      expect((await query("away", { sql: "SELECT 1" })).status).toBe(502);
    });
  });

  describe("builtin:sql", () => {
    const start = async (steps: object[], input: object = {}) => {
      const workflow = await api.addWorkflow({ steps });
      const path = "/api/v1/workflow-runs?wait=30";
      const run = await api.request({ method: "POST", path, body: { workflow, input } });
      return run.body as unknown as {
        id: string;
        status: string;
        output: Record<string, unknown>;
        error: object;
      };
    };

    it("queries with parameters from the run, and hands rows on", async () => {
      await make({ name: "shop" });
      const run = await start(
        [
          {
            id: "load",
            uses: "builtin:sql",
            inputs: {
              connection: { value: "shop" },
              sql: { value: "SELECT id, name FROM customer WHERE name = $1" },
              params: { expression: "[input.who]" },
            },
          },
          {
            id: "name",
            uses: "builtin:noop",
            inputs: { name: { expression: "steps.load.output.rows[0].name" } },
          },
        ],
        { who: "Ada" },
      );
      expect(run).toMatchObject({ status: "succeeded", output: { name: { name: "Ada" } } });
    });

    it("writes only when the step says so, and says what the database refused", async () => {
      const sql = { value: "INSERT INTO customer VALUES (3, 'Edsger')" };
      const step = { id: "add", uses: "builtin:sql", inputs: { connection: { value: "shop" }, sql } };
      expect(await start([step])).toMatchObject({
        status: "failed",
        error: { code: "upstream_error", stepId: "add" },
      });
      const allowed = { ...step, inputs: { ...step.inputs, readOnly: { value: false } } };
      expect(await start([allowed])).toMatchObject({ status: "succeeded", output: { add: { rowCount: 1 } } });
      expect(await start([{ ...allowed, retry: { maxAttempts: 1 } }])).toMatchObject({ status: "failed" });
    });

    it("is judged when the workflow is made", async () => {
      const validate = async (inputs: object) =>
        await api.request({
          method: "POST",
          path: "/api/v1/workflow-definitions/validate",
          body: { definition: { steps: [{ id: "a", uses: "builtin:sql", inputs }] } },
        });
      const sql = { value: "SELECT 1" };
      const faults = async (inputs: object) => pathsOf((await validate(inputs)).body);
      expect(await faults({ connection: { value: "shop" }, sql })).toEqual([]);
      expect(await faults({ connection: { value: "nope" }, sql })).toEqual([
        "/steps/0/inputs/connection/value",
      ]);
      expect(await faults({ connection: { value: "shop" }, sql: { input: "/sql" } })).toEqual([
        "/steps/0/inputs/sql",
      ]);
      expect(await faults({ sql, more: { value: 1 }, maxRows: { value: 0 } })).toEqual([
        "/steps/0/inputs",
        "/steps/0/inputs/maxRows/value",
        "/steps/0/inputs/more",
      ]);
    });

    it("keeps a database that a workflow queries, and its name", async () => {
      const removed = await api.request({ method: "DELETE", path: `${PATH}/shop` });
      expect(removed.status).toBe(409);
      expect(removed.body["detail"]).toMatch(/workflow /);
      const renamed = await api.request({ method: "PATCH", path: `${PATH}/shop`, body: { name: "other" } });
      expect(renamed.status).toBe(409);
    });
  });
});
