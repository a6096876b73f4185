import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { startWorker, type Worker } from "../../workers/worker.js";
import { createTestDatabase, type TestDatabase } from "../support/test-database.js";
import { startWebhooksApi, type WebhooksApi } from "../support/webhooks-api.js";

let api: WebhooksApi;
let worker: Worker;
let database: TestDatabase;
let count = 0;
const PASSWORD = "p4ss-of-the-database";
const ROLE = `reader_${process.pid}_${Date.now()}`;

async function post(path: string, body: object, status: number): Promise<Record<string, unknown>> {
  const answer = await api.request({ method: "POST", path: `/api/v1${path}`, body });
  expect([path, answer.status, answer.status === status ? "" : answer.text]).toEqual([path, status, ""]);
  return answer.body;
}

/** Runs code with the databases that it names. */
async function run(
  config: { type: string; [member: string]: unknown },
  externalDbConfigs = ["sales", "notes"],
) {
  count += 1;
  const name = `code-${count}`;
  const version = { version: "1.0.0", config, externalDbConfigs };
  await post("/mcp-definitions", { name, mcpType: config.type, version }, 201);
  await post(
    "/workflow-definitions",
    { name, definition: { steps: [{ id: "s", uses: `mcp:${name}` }] } },
    201,
  );
  const run = await post("/workflow-runs?wait=60", { workflow: name }, 202);
  const { items } = (await api.request({ path: `/api/v1/workflow-runs/${String(run["id"])}/steps` }))
    .body as unknown as {
    items: { output: Record<string, unknown>; error: { code: string; message: string } | null }[];
  };
  return items[0];
}
const python = (code: string, more = {}) => ({ type: "python_script", code, ...more });

describe("external databases in code", () => {
  beforeAll(async () => {
    api = await startWebhooksApi({ ALLOWED_HOSTS_PRIVATE: "127.0.0.1" });
    worker = await startWorker(api.platform, { groups: ["default"], concurrency: 4, version: "test" });
    database = await createTestDatabase();
    await database.knex.raw("CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL)");
    await database.knex.raw("INSERT INTO customer VALUES (1, 'Ada'), (2, 'Grace')");
    await database.knex.raw(`CREATE ROLE ${ROLE} LOGIN PASSWORD '${PASSWORD}'`);
    await database.knex.raw(`GRANT ALL ON customer TO ${ROLE}`);
    const url = new URL(database.url);
    const place = { host: "127.0.0.1", port: Number(url.port || 5432), databaseName: url.pathname.slice(1) };
    const sales = { name: "sales", dbType: "postgresql", ...place, username: ROLE, password: PASSWORD };
    await post("/external-db-configs", sales, 201);
    await post("/external-db-configs", { name: "notes", dbType: "sqlite", databaseName: "notes.db" }, 201);
  }, 120_000);

  afterAll(async () => {
    await worker.close(1_000);
    await api.close();
    await database.knex.raw(`DROP OWNED BY ${ROLE}`);
    await database.knex.raw(`DROP ROLE ${ROLE}`);
    await database.drop();
  });

  it("are asked by Python without a driver, a network or a password", async () => {
    const code = `
import headrace, os
def main():
    db = headrace.connection("sales")
    rows = db.query("SELECT id, name FROM customer WHERE id > $1 ORDER BY id", [0], max_rows=1)
    notes = headrace.connection("notes")
    notes.execute("CREATE TABLE IF NOT EXISTS n (a int)")
    added = notes.execute("INSERT INTO n VALUES (?), (?)", [1, 2])
    seen = [repr(vars(db))] + [f"{k}={v}" for k, v in os.environ.items()]
    for folder, _, names in os.walk("."):
        for name in names:
            try:
                with open(os.path.join(folder, name), errors="replace") as file: seen.append(file.read())
            except OSError: pass
    return {"rows": list(rows), "truncated": rows.truncated, "columns": rows.columns, "added": added,
            "notes": notes.query("SELECT sum(a) AS total FROM n"), "leaks": sum("${PASSWORD.slice(0, 8)}" in each for each in seen),
            "type": db.db_type}
`.replace(`"${PASSWORD.slice(0, 8)}"`, `"p4ss" + "-of-"`);
    const step = await run(python(code, { network: false }));
    expect([step?.error, step?.output]).toEqual([
      null,
      {
        rows: [{ id: 1, name: "Ada" }],
        truncated: true,
        columns: [
          { name: "id", type: "integer" },
          { name: "name", type: "text" },
        ],
        added: 2,
        notes: [{ total: 3 }],
        leaks: 0,
        type: "postgresql",
      },
    ]);
  });

  it("hold Python to reading, to time, and to what the version names", async () => {
    const code = `
import headrace
def main():
    db = headrace.connection("sales")
    said = []
    for ask in (lambda: db.query("DELETE FROM customer RETURNING id"),
                lambda: db.query("SELECT pg_sleep(30)", timeout=1),
                lambda: db.query("SELECT $1::int", []),
                lambda: db.query("SELECT 1", max_rows=10**9),
                lambda: headrace.connection("notes")):
        try: said.append(str(ask()))
        except Exception as error: said.append([type(error).__name__, getattr(error, "fault", None), str(error)])
    return {"said": said, "changed": db.execute("UPDATE customer SET name = name WHERE id = 1")}
`;
    const step = await run(python(code), ["sales"]);
    expect(step?.error).toBeNull();
    const { said, changed } = step?.output as { said: [string, string | null, string][]; changed: number };
    expect(said.map(([type, fault]) => [type, fault])).toEqual([
      ["DatabaseError", "statement"],
      ["DatabaseError", "timeout"],
      ["DatabaseError", "params"],
      ["DatabaseError", "params"],
      ["LookupError", null],
    ]);
    expect(said[0]?.[2]).toContain("read-only");
    expect(changed).toBe(1);
    expect(await database.knex("customer").count()).toEqual([{ count: 2 }]);
    const none = await run(python('import headrace\nheadrace.connection("sales")'), []);
    expect(none?.error?.message).toContain("externalDbConfigs");
  });

  it("are asked by TypeScript", async () => {
    const code = `
import { connection } from "headrace";
export async function main() {
  const { rows, columns } = await connection("sales").query("SELECT name FROM customer WHERE id = $1", [2]);
  const notes = connection("notes");
  await notes.execute("CREATE TABLE IF NOT EXISTS ts (a int)");
  const added = await notes.execute("INSERT INTO ts VALUES (?)", [7]);
  const refused = await notes.query("INSERT INTO ts VALUES (1)").catch((error) => error.fault);
  let dsn; try { dsn = notes.dsn; } catch (error) { dsn = error.message; }
  return { rows, columns, added, refused, dsn, total: (await notes.query("SELECT a FROM ts")).rows };
}`;
    const step = await run({ type: "typescript_script", code });
    expect([step?.error, step?.output]).toEqual([
      null,
      {
        rows: [{ name: "Grace" }],
        columns: [{ name: "name", type: "text" }],
        added: 1,
        refused: "statement",
        dsn: "sqlite has no dsn here: use query() and execute()",
        total: [{ a: 7 }],
      },
    ]);
  });

  it("are asked by notebooks", async () => {
    const source = `import headrace
outputs = {"rows": list(headrace.connection("sales").query("SELECT name FROM customer ORDER BY id")),
           "one": headrace.connection("notes").query("SELECT 1 AS one")[0]["one"]}`;
    const step = await run({ type: "jupyter_notebook", cells: [{ cellType: "code", source }] });
    expect([step?.error, step?.output["result"]]).toEqual([
      null,
      { rows: [{ name: "Ada" }, { name: "Grace" }], one: 1 },
    ]);
  });

  const psql = ["/usr/bin/psql", ...["15", "16", "17"].map((n) => `/usr/lib/postgresql/${n}/bin/psql`)].find(
    existsSync,
  );
  (psql ? it : it.skip)("let drivers in without a password, to read at first", async () => {
    const code = `
import headrace, subprocess
def ask(dsn, sql):
    done = subprocess.run(["${psql}", dsn, "-Atc", sql], capture_output=True, text=True, timeout=20)
    return [done.returncode, (done.stdout + done.stderr).strip()]
def main():
    db = headrace.connection("sales")
    return {"dsn": db.dsn, "read": ask(db.dsn, "SELECT current_user || ' ' || count(*) FROM customer GROUP BY 1 IS NULL"),
            "write": ask(db.dsn, "DELETE FROM customer"), "big": ask(db.dsn, "SELECT sum(length(repeat('x', 1000))) FROM generate_series(1, 20000)"),
            "bulk": len(ask(db.dsn, "SELECT repeat('x', 1000) FROM generate_series(1, 20000)")[1]),
            "writer": ask(db.dsn_for(read_only=False), "UPDATE customer SET name = 'Ada' WHERE id = 1")}
`;
    const step = await run(python(code, { network: false }));
    expect(step?.error).toBeNull();
    const output = step?.output as Record<string, unknown>;
    expect(output["dsn"]).not.toContain(PASSWORD);
    expect(output["write"]).toEqual([1, expect.stringContaining("read-only transaction")]);
    expect(output["big"]).toEqual([0, "20000000"]);
    expect(output["bulk"]).toBe(20_000 * 1_001 - 1);
    expect(output["writer"]).toEqual([0, "UPDATE 1"]);
    expect(await database.knex("customer").count()).toEqual([{ count: 2 }]);
  });

  it("have a port of the step's own for drivers that take no socket, also without a network", async () => {
    const code = `
import headrace, socket, struct
def ask(address, user, database, sql):
    with socket.create_connection(address, 10) as driver:
        words = b"".join(each.encode() + b"\\0" for each in ("user", user, "database", database, ""))
        driver.sendall(struct.pack("!ii", len(words) + 8, 196608) + words)
        text = sql.encode() + b"\\0"
        driver.sendall(b"Q" + struct.pack("!i", len(text) + 4) + text)
        driver.sendall(b"X" + struct.pack("!i", 4))
        heard = b""
        while chunk := driver.recv(65536): heard += chunk
        return heard.decode("latin1")
def main():
    db = headrace.connection("sales")
    assert db.address == headrace.connection("sales").address
    def noted():
        try: return headrace.connection("notes").address
        except Exception as error: return error.fault
    return {"host": db.address[0], "read": "Grace" in ask(db.address, "reader", db.database, "SELECT name FROM customer"),
            "write": "read-only transaction" in ask(db.address, "reader", db.database, "DELETE FROM customer"),
            "big": len(ask(db.address, "reader", db.database, "SELECT repeat('x', 1000000)")) > 1000000,
            "writer": "UPDATE 1" in ask(db.address, "writer", db.database, "UPDATE customer SET name = 'Ada' WHERE id = 1"),
            "notes": noted()}
`;
    const step = await run(python(code, { network: false }));
    const { sandboxLevel } = step as unknown as { sandboxLevel: string };
    if (sandboxLevel !== "namespace") return expect(step?.error?.message).toContain("has no port here");
    expect([step?.error, step?.output]).toEqual([
      null,
      { host: "127.0.0.1", read: true, write: true, big: true, writer: true, notes: "statement" },
    ]);
    const typescript = `
import { connection } from "headrace";
import net from "node:net";
export async function main() {
  const db = connection("sales");
  const { host, port } = await db.address();
  const again = await connection("sales").address();
  const words = Buffer.from(["user", "reader", "database", db.database, "", ""].join("\\0"), "latin1").subarray(0, -1);
  const head = Buffer.alloc(8);
  head.writeInt32BE(words.length + 8, 0);
  head.writeInt32BE(196608, 4);
  const heard: string = await new Promise((resolve, reject) => {
    let text = "";
    const driver = net.connect(port, host, () => driver.write(Buffer.concat([head, words])));
    driver.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (text.includes("server_version") || text.includes("undefined")) driver.end(Buffer.from("X\\0\\0\\0\\x04", "latin1"));
    });
    driver.on("close", () => resolve(text)).on("error", reject);
  });
  return { same: again.port === port, isIn: heard.startsWith("R"), known: /server_version.[0-9]+/s.test(heard) };
}`;
    const other = await run({ type: "typescript_script", code: typescript });
    expect([other?.error, other?.output]).toEqual([null, { same: true, isIn: true, known: true }]);
    return undefined;
  });

  it("say what is wrong with the database, without its password", async () => {
    await api.request({
      method: "PATCH",
      path: "/api/v1/external-db-configs/sales",
      body: { password: "wr0ng-password" },
    });
    const code = `
import headrace
def main():
    try: headrace.connection("sales").query("SELECT 1")
    except Exception as error: return {"fault": error.fault, "said": str(error)}
`;
    const step = await run(python(code), ["sales"]);
    expect(step?.error).toBeNull();
    expect(step?.output["fault"]).toBe("connection");
    expect(String(step?.output["said"])).toMatch(/password authentication failed|ok/);
    expect(JSON.stringify(step)).not.toContain("wr0ng-password");
    await api.request({
      method: "PATCH",
      path: "/api/v1/external-db-configs/sales",
      body: { password: PASSWORD },
    });
  });
});
