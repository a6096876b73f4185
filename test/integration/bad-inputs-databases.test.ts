import { spawnSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import type { TestResponse } from "../support/http-client.js";
import { expectProblem, faultPaths, itHolds, type MatrixRow, post } from "../support/matrix-rows.js";
import { type MatrixWorld, startMatrixWorld } from "../support/matrix-world.js";
import { createTestDatabase, type TestDatabase } from "../support/test-database.js";

let world: MatrixWorld;
const PATH = "/external-db-configs";
const PASSWORD = "p4ss-of-the-database";
/** Said to be reachable in this file; what rows refuse must be refused all the same. */
const HOST = "127.0.0.1";

function configured(name: string, body: object, ...paths: string[]): MatrixRow {
  return post(name, [PATH, { name: `db-${newId()}`, ...body }], 422, ...paths);
}
const server = (more: object) => ({
  ...{ dbType: "postgresql", host: HOST, databaseName: "x", username: "u", password: "p" },
  ...more,
});
const mysql = (more: object) => server({ dbType: "mysql", ...more });
const bigquery = (more: object) => ({ dbType: "bigquery", projectId: "some-project", ...more });
const account = (more: object) => bigquery({ credentials: { type: "service_account", client_email: "a@b", private_key: "k", ...more } });

const SERVERS: readonly MatrixRow[] = [
  ...[0, 65_536, "5432; x", "5432", -1, 1.5, null, [5432]].map((port) =>
    configured(`86 the port ${JSON.stringify(port)}`, server({ port }), ...(port === null ? [] : ["/port"])),
  ).slice(0, 6),
  ...([
    { sslrootcert: "/etc/shadow" },
    { sslcert: "/etc/shadow" },
    { sslkey: "/x" },
    { service: "x" },
    { passfile: "/etc/shadow" },
    { krbsrvname: "x" },
    { servicefile: "/x" },
    { host: "evil" },
    { hostaddr: "127.0.0.1" },
    { options: "-c default_transaction_read_only=off" },
    { replication: "database" },
    { target_session_attrs: "any" },
    { __proto__x: 1 },
    { application_name: "x".repeat(10_240) },
    { application_name: "a\nb" },
    { search_path: "a; DROP TABLE x" },
    { search_path: 1 },
  ] as const).map((options) => configured(`86 options ${JSON.stringify(options).slice(0, 60)}`, server({ options }), `/options/${Object.keys(options)[0]}`)),
  ...([
    { infileStreamFactory: "x" },
    { flags: "+LOCAL_FILES" },
    { localInfile: true },
    { multipleStatements: true },
    { socketPath: "/run/mysqld/mysqld.sock" },
    { charset: "utf8mb4; x" },
    { authPlugins: {} },
  ] as const).map((options) => configured(`86 MySQL's options ${JSON.stringify(options)}`, mysql({ options }), `/options/${Object.keys(options)[0]}`)),
  ...[{ ca: "/etc/shadow" }, { cert: "x" }, { key: "/x" }, { rejectUnauthorized: false }, { verify: "no" }].map((ssl) =>
    configured(`86 ssl ${JSON.stringify(ssl)}`, server({ ssl })),
  ),
  configured("86 ssl as text", server({ ssl: "require" }), "/ssl"),
  ...["/var/run/postgresql", "a,b", "http://x", "x/y", "a b", "", "-h", "x\u0000y", "x;y", "localhost:5432", "user@host", "..", "169.254.169.254", "10.0.0.1", "[fe80::1]"].map(
    (host) => configured(`86 the host ${JSON.stringify(host)}`, server({ host }), "/host"),
  ),
  configured("86 no database", { dbType: "postgresql", host: HOST, username: "u" }, "/databaseName"),
  configured("86 a database that is a connection string", server({ databaseName: "x\u0000host=evil" })),
  configured("86 a field of another type", server({ projectId: "x" }), "/projectId"),
  configured("86 credentials for a server", server({ credentials: {} }), "/credentials"),
  ...["oracle", "", "POSTGRESQL", null, 1].map((dbType) => configured(`86 the type ${JSON.stringify(dbType)}`, { dbType }, "/dbType")),
  ...["", "1a", "a/b", "x".repeat(64), "a\nb", "../x", "<b>", null].map((name) =>
    post(`86 the name ${JSON.stringify(name)}`, [PATH, { ...server({}), name }], 422, "/name"),
  ),
  ...["createdBy", "id", "revision", "hasPassword", "ownerId", "secretKeyId"].map((name) =>
    configured(`mass assignment of ${name}`, server({ [name]: "x" }), `/${name}`),
  ),
];

const FILES: readonly MatrixRow[] = ["sqlite", "duckdb"].flatMap((dbType) => [
  ...[
    ...["/etc/passwd", "../headrace.db", "file:x?mode=rwc&vfs=unix", ":memory:", "http://example.com/x.db", "md:x.db"],
    ...["postgres/base/1.db", "../../x.duckdb", "a/../../x.db", "\\\\host\\x.db", "x.db\u0000.txt", "s3://b/x.db", ""],
    ...["work/x.db", "artifacts/x.db", "cache/x.db", "run/x.db", ".hidden.db", "x.db?mode=rw", "x%2e%2e/x.db", "/proc/self/x.db"],
    ...["keys.json", "x.db#y", "*.db", "x.db\n", "-x.txt", "postgres://x.db", "FILE:x.db"],
  ].map((databaseName) => configured(`87 ${dbType} of ${JSON.stringify(databaseName)}`, { dbType, databaseName }, "/databaseName")),
  configured(`87 ${dbType} with a password`, { dbType, databaseName: "x.db", password: "p" }, "/password"),
  configured(`87 ${dbType} with a host`, { dbType, databaseName: "x.db", host: "h" }, "/host"),
  configured(`87 ${dbType} with options`, { dbType, databaseName: "x.db", options: { allow_unsigned_extensions: true } }),
]);

const BIGQUERY: readonly MatrixRow[] = [
  ...([
    { type: "external_account", credential_source: { file: "/etc/passwd" } },
    { type: "external_account", credential_source: { url: "http://169.254.169.254/" } },
    { type: "external_account", credential_source: { executable: { command: "id" } } },
    { type: "authorized_user", refresh_token: "x" },
    { type: "impersonated_service_account", source_credentials: {} },
    { type: "gdch_service_account" },
    { type: "SERVICE_ACCOUNT", client_email: "a", private_key: "k" },
    { type: ["service_account"], client_email: "a", private_key: "k" },
    {},
  ] as const).map((credentials) => configured(`88 ${JSON.stringify(credentials).slice(0, 90)}`, bigquery({ credentials }), "/credentials/type")),
  configured("88 no key", account({ private_key: undefined }), "/credentials/private_key"),
  configured("88 a key that is no text", account({ private_key: { file: "/x" } }), "/credentials/private_key"),
  configured("88 credentials as text", bigquery({ credentials: "x" }), "/credentials"),
  configured("88 nothing", bigquery({}), "/credentials"),
  ...["http://169.254.169.254/", "https://evil.example/", "https://bigquery.googleapis.com.evil.example", "https://x@evil.example/", "http://bigquery.googleapis.com", "file:///x", "bigquery.googleapis.com"].map(
    (apiEndpoint) => configured(`88 the endpoint ${apiEndpoint}`, { ...account({}), options: { apiEndpoint } }, "/options/apiEndpoint"),
  ),
  ...["../x", "A", "a", "x;y", ""].map((projectId) => configured(`88 the project ${JSON.stringify(projectId)}`, { ...account({}), projectId }, "/projectId")),
];

/** A secret that is put; `path` is what comes after `/secrets`. */
const put = (name: string, [path, body]: readonly [string, unknown], status: MatrixRow["status"], ...paths: string[]): MatrixRow => ({
  name,
  request: { method: "PUT", path: `/api/v1/secrets${path}`, body },
  status,
  paths,
});
const SECRETS: readonly MatrixRow[] = [
  ...["lower", "A%20B", "1A", "A-B", "A.B", "%C3%84", "A%00", "A%0a", "x".repeat(300), "A".repeat(64), "A%2fB", "A=B"].map((name) =>
    put(`93 the name ${name.slice(0, 20)}`, [`/${name}`, { value: "x" }], [404, 422]),
  ),
  put("93 lower case is a fault of the name", ["/lower", { value: "x" }], 422),
  put("93 a value of 1 MiB", ["/A", { value: "x".repeat(1024 * 1024) }], 413),
  put("93 an empty value", ["/A", { value: "" }], 422, "/value"),
  ...["\u0000", "\u0001", "a\u001b[0m", "\u007f", "\ud800"].map((value) =>
    put(`93 the value ${JSON.stringify(value)}`, ["/A", { value }], 422, "/value"),
  ),
  ...[1, null, ["x"], { a: 1 }].map((value) => put(`93 the value ${JSON.stringify(value)}, no text`, ["/A", { value }], 422, "/value")),
  put("93 no value", ["/A", {}], 422, "/value"),
  ...["http://x", "X", "*", "a b", "x/y", "", "*.*", "x:0", "127.0.0.1/8"].map((host) =>
    put(`93 the host ${JSON.stringify(host)}`, ["/A", { value: "x", hosts: [host] }], 422, "/hosts/0"),
  ),
  put("93 no hosts", ["/A", { value: "x", hosts: [] }], 422, "/hosts"),
  ...["createdBy", "keyId", "revision", "name", "ownerId"].map((name) =>
    put(`mass assignment of a secret's ${name}`, ["/A", { value: "x", [name]: "B" }], 422, `/${name}`),
  ),
];

describe("bad inputs: databases and secrets", () => {
  let database: TestDatabase;
  const role = `matrix_${process.pid}_${Date.now()}`;

  beforeAll(async () => {
    world = await startMatrixWorld({ ALLOWED_HOSTS_PRIVATE: HOST });
    database = await createTestDatabase();
    const { port, pathname } = new URL(database.url);
    await database.knex.raw(`CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}'`);
    await world.make(PATH, {
      ...server({ databaseName: pathname.slice(1), port: Number(port || 5432), username: role, password: PASSWORD }),
      name: "good",
    });
    const { dataDir } = world.platform.connections.ground;
    spawnSync("/usr/bin/python3", ["-c", "import sqlite3, sys\nsqlite3.connect(sys.argv[1]).executescript('create table t (n)')", join(dataDir, "shop.db")]);
    await world.make(PATH, { name: "file", dbType: "sqlite", databaseName: "shop.db" });
  });
  afterAll(async () => {
    await world.close();
    await database.knex.raw(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    await database.drop();
  });
  const send = async (request: Parameters<MatrixWorld["send"]>[0]) => await world.send(request);

  describe("servers", () => itHolds(SERVERS, send));
  describe("files", () => itHolds(FILES, send));
  describe("BigQuery", () => itHolds(BIGQUERY, send));
  describe("secrets", () => itHolds(SECRETS, send));

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

  it("87 follows no link out of the data folder, also one that was laid later", async () => {
    const { dataDir } = world.platform.connections.ground;
    symlinkSync("/etc/passwd", join(dataDir, "link.db"));
    symlinkSync("/etc", join(dataDir, "etc"));
    for (const databaseName of ["link.db", "etc/x.db"]) {
      const answer = await world.send({ method: "POST", path: `/api/v1${PATH}`, body: { name: `l-${newId()}`, dbType: "sqlite", databaseName } });
      expect([databaseName, answer.status]).toEqual([databaseName, 422]);
    }
    writeFileSync(join(dataDir, "later.db"), "");
    await world.make(PATH, { name: "later", dbType: "sqlite", databaseName: "later.db" });
    rmSync(join(dataDir, "later.db"));
    symlinkSync("/etc/passwd", join(dataDir, "later.db"));
    expect((await query({ sql: "SELECT 1" }, "later")).status).toBeGreaterThanOrEqual(400);
  });

  it("88 sends keys to Google alone, whatever the key names as its address", async () => {
    let calls = 0;
    const witness: Server = createServer((socket) => {
      calls += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => witness.listen(0, HOST, resolve));
    const { port } = witness.address() as AddressInfo;
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const key = privateKey.export({ type: "pkcs8", format: "pem" });
    await world.make(PATH, { name: "big", ...account({ private_key: key, token_uri: `http://${HOST}:${port}/`, universe_domain: `${HOST}:${port}` }) });
    const path = `/api/v1${PATH}/big/test`;
    const answer = await world.send({ method: "POST", path });
    expect(answer.body["ok"]).toBe(false);
    expect(answer.text).not.toContain("PRIVATE KEY");
    expect(calls).toBe(0);
    await new Promise((resolve) => witness.close(resolve));
  }, 60_000);

  it("90 ends what takes too long, cuts what is endless, caps what is huge", async () => {
    const slow = await query({ sql: "SELECT pg_sleep(100)", timeoutSeconds: 1 });
    expect(slow.status).toBeGreaterThanOrEqual(400);
    expect(slow.ms).toBeLessThan(4_000);
    const endless = await query({ sql: "SELECT generate_series(1, 1000000000) AS n" });
    expect(endless.body).toMatchObject({ rowCount: 1_000, truncated: true });
    expect(endless.ms).toBeLessThan(4_000);
    // here PostgreSQL makes all rows before it gives the first one
    const whole = await query({ sql: "SELECT n FROM generate_series(1, 1000000000) AS n", timeoutSeconds: 1 });
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
    ...["INSERT INTO knex_migrations DEFAULT VALUES", "CREATE TABLE x (a int)", "COMMIT; CREATE TABLE x (a int)", "SET ROLE postgres"],
    ...["SET default_transaction_read_only = off", "BEGIN READ WRITE", "COPY (SELECT 1) TO '/tmp/x'", "COPY (SELECT 1) TO PROGRAM 'id'"],
    ...["SELECT pg_read_file('/etc/passwd')", "SELECT lo_import('/etc/passwd')", "SELECT pg_ls_dir('/')", "LISTEN x", "DO $$BEGIN PERFORM 1; END$$"],
    ...["SELECT dblink('host=127.0.0.1', 'SELECT 1')", "SELECT set_config('transaction_read_only', 'off', true)", "PREPARE x AS SELECT 1"],
    ...["SELECT nextval('pg_catalog.nothing')", "EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1", "VACUUM"],
    ...["SELECT * FROM pg_read_binary_file('/etc/passwd')", "CREATE TEMP TABLE x (a int)", "LOAD 'x'", "ALTER SYSTEM SET a = 1"],
  ])("90 readOnly refuses: %s", async (sql) => {
    // the database's own words about the statement may name what the statement names
    const { status, text } = await world.send({ method: "POST", path: `/api/v1${PATH}/good/query`, body: { sql } });
    expect([sql, status, text.includes(PASSWORD)]).toEqual([sql, 422, false]);
  });

  it("92 a wrong password is told without any password", async () => {
    const wrong = "wr0ng-p4ssword";
    const { port, pathname } = new URL(database.url);
    await world.make(PATH, {
      ...server({ databaseName: pathname.slice(1), port: Number(port || 5432), username: "nobody", password: wrong }),
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

  it("keeps the stored password where host, port or encryption changes without it", async () => {
    const patch = async (body: object) => {
      const request = { method: "PATCH", path: `/api/v1${PATH}/good`, body };
      const answer = await world.send(request);
      if (answer.status >= 400) expectProblem({ ...request, body: { ...body, password: "" } }, answer);
      return [answer.status, faultPaths(answer)];
    };
    for (const change of [{ host: "example.com" }, { port: 5_433 }, { ssl: true }, { host: "example.com", name: "x" }])
      expect([change, await patch(change)]).toEqual([change, [422, ["/password"]]]);
    expect(await patch({ options: { application_name: "x" } })).toEqual([200, []]);
  });

  it("93 __PROTO__ is a name like any other, and no value comes back", async () => {
    const secret = "v4lue-of-a-secret";
    const stored = await world.send({ method: "PUT", path: "/api/v1/secrets/__PROTO__", body: { value: secret } });
    expect(stored.status).toBe(201);
    for (const path of ["/secrets/__PROTO__", "/secrets", "/secrets/__PROTO__?value=true", "/secrets?fields=value"]) {
      for (const as of ["editor", "admin"] as const) {
        const answer = await world.send({ path: `/api/v1${path}`, as });
        for (const form of [secret, Buffer.from(secret).toString("base64"), Buffer.from(secret).toString("hex")])
          expect(answer.text).not.toContain(form);
      }
    }
    for (const path of ["/secrets/__PROTO__/value", "/secrets/__PROTO__/reveal", `${PATH}/good/password`, `${PATH}/good/credentials`]) {
      expect([404, 405]).toContain((await world.send({ path: `/api/v1${path}`, as: "admin" })).status);
    }
    const shown = await world.send({ path: `/api/v1${PATH}/good`, as: "admin" });
    expect(shown.text).not.toContain(PASSWORD);
    expect(existsSync("/tmp/x")).toBe(false);
  });
});
