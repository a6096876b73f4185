import { type AddressInfo, createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { TestResponse } from "../support/http-client.js";
import { expectProblem, faultPaths } from "../support/matrix-rows.js";
import { type MatrixWorld, startMatrixWorld } from "../support/matrix-world.js";
import { createTestDatabase, type TestDatabase } from "../support/test-database.js";

let world: MatrixWorld;
const PATH = "/external-db-configs";
const PASSWORD = "p4ss-of-the-database";
const HOST = "127.0.0.1";

const server = (more: object) => ({
  ...{ dbType: "postgresql", host: HOST, databaseName: "x", username: "u", password: "p" },
  ...more,
});
describe("bad inputs: queries of databases", () => {
  let database: TestDatabase;
  const role = `matrix_${process.pid}_${Date.now()}`;

  beforeAll(async () => {
    world = await startMatrixWorld({ ALLOWED_HOSTS_PRIVATE: HOST });
    database = await createTestDatabase();
    const { port, pathname } = new URL(database.url);
    await database.knex.raw(`CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}'`);
    await world.make(PATH, {
      ...server({
        databaseName: pathname.slice(1),
        port: Number(port || 5432),
        username: role,
        password: PASSWORD,
      }),
      name: "good",
    });
  });
  afterAll(async () => {
    await world.close();
    await database.knex.raw(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await database.drop();
  });

  const query = async (body: object, name = "good"): Promise<TestResponse & { ms: number }> => {
    const begun = performance.now();
    const request = { method: "POST", path: `/api/v1${PATH}/${name}/query`, body };
    const answer = await world.send(request);
    if (answer.status >= 400) {
      expectProblem(request, answer);
      for (const word of [PASSWORD, role, "127.0.0.1"]) expect(answer.text).not.toContain(word);
    }
    return { ...answer, ms: performance.now() - begun };
  };

  it("90 ends what takes too long, cuts what is endless, caps what is huge", async () => {
    const slow = await query({ sql: "SELECT pg_sleep(100)", timeoutSeconds: 1 });
    expect(slow.status).toBeGreaterThanOrEqual(400);
    expect(slow.ms).toBeLessThan(4_000);
    const endless = await query({ sql: "SELECT generate_series(1, 1000000000) AS n" });
    expect(endless.body).toMatchObject({ rowCount: 1_000, truncated: true });
    expect(endless.ms).toBeLessThan(4_000);
    // here PostgreSQL makes all rows before it gives the first one
    const whole = await query({
      sql: "SELECT n FROM generate_series(1, 1000000000) AS n",
      timeoutSeconds: 1,
    });
    expect(whole.status).toBeGreaterThanOrEqual(400);
    expect(whole.ms).toBeLessThan(4_000);
    const rss = process.memoryUsage().rss;
    const huge = await query({ sql: "SELECT repeat('x', 1073741823) AS text", timeoutSeconds: 20 });
    if (huge.status === 200) expect(huge.body["truncated"]).toBe(true);
    else expect(huge.text).toMatch(/large|memory|alloc/);
    expect(process.memoryUsage().rss - rss).toBeLessThan(700 * 1024 ** 2);
  }, 60_000);

  it.each([1e9, 0, -1, 1.5, "10", null])("90 maxRows %s", async (maxRows) => {
    const answer = await query({ sql: "SELECT 1", maxRows });
    expect([answer.status, faultPaths(answer)]).toEqual([422, ["/maxRows"]]);
  });
  it.each([0, -1, 1e9, "1", null])("90 timeoutSeconds %s", async (timeoutSeconds) => {
    const answer = await query({ sql: "SELECT 1", timeoutSeconds });
    expect([answer.status, [...new Set(faultPaths(answer))]]).toEqual([422, ["/timeoutSeconds"]]);
  });

  it.each<[string, object]>([
    ["too few", { sql: "SELECT $1::int", params: [] }],
    ["too many", { sql: "SELECT 1 AS a", params: [1] }],
    ["a gap", { sql: "SELECT $2::int", params: [1] }],
    ["an object for a number", { sql: "SELECT $1::int", params: [{ a: 1 }] }],
    ["a list for a number", { sql: "SELECT $1::int", params: [[1]] }],
    ["a quoted placeholder", { sql: "SELECT '$1'::text AS a", params: ["x"] }],
    ["text for a number", { sql: "SELECT $1::int", params: ["1; DROP TABLE x"] }],
    ["NUL in text", { sql: "SELECT $1::text", params: ["a\u0000b"] }],
    ["params that are no list", { sql: "SELECT 1", params: { a: 1 } }],
    ["no statement", { sql: "" }],
    ["NUL in a statement", { sql: "SELECT 1\u0000" }],
    ["two statements", { sql: "SELECT 1; SELECT 2" }],
    ["a statement that is no text", { sql: ["SELECT 1"] }],
    ["an unknown field", { sql: "SELECT 1", user: "postgres" }],
    ["readOnly as text", { sql: "SELECT 1", readOnly: "false" }],
  ])("91 %s", async (_what, body) => {
    expect((await query(body)).status).toBe(422);
  });

  it.each([
    ...[
      "INSERT INTO knex_migrations DEFAULT VALUES",
      "CREATE TABLE x (a int)",
      "COMMIT; CREATE TABLE x (a int)",
      "SET ROLE postgres",
    ],
    ...[
      "SET default_transaction_read_only = off",
      "BEGIN READ WRITE",
      "COPY (SELECT 1) TO '/tmp/x'",
      "COPY (SELECT 1) TO PROGRAM 'id'",
    ],
    ...[
      "SELECT pg_read_file('/etc/passwd')",
      "SELECT lo_import('/etc/passwd')",
      "SELECT pg_ls_dir('/')",
      "LISTEN x",
      "DO $$BEGIN PERFORM 1; END$$",
    ],
    ...[
      "SELECT dblink('host=127.0.0.1', 'SELECT 1')",
      "SELECT set_config('transaction_read_only', 'off', true)",
      "PREPARE x AS SELECT 1",
    ],
    ...["SELECT nextval('pg_catalog.nothing')", "EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1", "VACUUM"],
    ...[
      "SELECT * FROM pg_read_binary_file('/etc/passwd')",
      "CREATE TEMP TABLE x (a int)",
      "LOAD 'x'",
      "ALTER SYSTEM SET a = 1",
    ],
  ])("90 readOnly refuses: %s", async (sql) => {
    // the database's own words about the statement may name what the statement names
    const { status, text } = await world.send({
      method: "POST",
      path: `/api/v1${PATH}/good/query`,
      body: { sql },
    });
    expect([sql, status, text.includes(PASSWORD)]).toEqual([sql, 422, false]);
  });

  it("92 a wrong password is told without any password", async () => {
    const wrong = "wr0ng-p4ssword";
    const { port, pathname } = new URL(database.url);
    await world.make(PATH, {
      ...server({
        databaseName: pathname.slice(1),
        port: Number(port || 5432),
        username: "nobody",
        password: wrong,
      }),
      name: "wrong",
    });
    const answer = await world.send({ method: "POST", path: `/api/v1${PATH}/wrong/test` });
    expect([answer.status, answer.body["ok"]]).toEqual([200, false]);
    expect(answer.text).not.toContain(wrong);
    const speaking = createServer((socket) => {
      const text = `SFATAL\0C28P01\0Mconnection to postgres://u:${wrong}@h/x failed, password=${wrong}\0\0`;
      const head = Buffer.alloc(5);
      head.write("E");
      head.writeInt32BE(Buffer.byteLength(text) + 4, 1);
      socket.on("error", () => undefined);
      socket.once("data", () => socket.end(Buffer.concat([head, Buffer.from(text)])));
    });
    await new Promise<void>((resolve) => speaking.listen(0, HOST, resolve));
    const { port: own } = speaking.address() as AddressInfo;
    await world.make(PATH, { ...server({ port: own, password: wrong }), name: "speaking" });
    const said = await world.send({ method: "POST", path: `/api/v1${PATH}/speaking/test` });
    expect(said.body["ok"]).toBe(false);
    expect(said.text).not.toContain(wrong);
    await new Promise((resolve) => speaking.close(resolve));
  });
});
