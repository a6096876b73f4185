import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { describe, expect, it } from "@jest/globals";
import { findConnector } from "../../src/connectors/registry.js";
import { createOutgoingGuard } from "../../src/outgoing/outgoing-guard.js";
import { openQueryWalls } from "../../workers/sandbox/query-walls.js";
import { describeConnectorContract } from "../contracts/connector.contract.js";
import { mariadbServer, startOwnMariadb } from "../support/own-mariadb.js";
import { describeWith } from "../support/requirements.js";
import { createTestDatabase } from "../support/test-database.js";

const guard = createOutgoingGuard({ allowedPrivateHosts: ["127.0.0.1"] });
const ground = { guard, dataDir: tmpdir() };
/** As a worker and the API have them: behind walls where this machine has any. */
const walls = openQueryWalls();
const openWalls = async () => await walls;
const SETUP = [
  "CREATE TABLE customer (id INTEGER PRIMARY KEY NOT NULL, name VARCHAR(100) NOT NULL, credit DECIMAL(20,2))",
  "CREATE TABLE purchase (id INTEGER PRIMARY KEY NOT NULL, customer_id INTEGER REFERENCES customer (id), bought_at TIMESTAMP)",
  "INSERT INTO customer VALUES (1, 'Ada', 12.50), (2, 'O''Hara; DROP TABLE customer', NULL)",
];
const WRITES = [
  "INSERT INTO customer (id, name) VALUES (9, 'x')",
  "UPDATE customer SET name = 'x'",
  "DELETE FROM customer",
  "DROP TABLE customer",
  "CREATE TABLE other (id INTEGER)",
  "SELECT 1; DELETE FROM customer",
  "COMMIT",
  "ROLLBACK; DELETE FROM customer",
  "/* SELECT */ DELETE FROM customer",
  "",
].filter((sql) => sql !== "");

function makeFolder(): string {
  return mkdtempSync(join(tmpdir(), "headrace-connector-"));
}

describeConnectorContract("PostgreSQL", {
  async open() {
    const database = await createTestDatabase();
    for (const statement of SETUP) await database.knex.raw(statement);
    const url = new URL(database.url);
    const config = {
      host: "127.0.0.1",
      port: Number(url.port || 5432),
      databaseName: url.pathname.slice(1),
      username: decodeURIComponent(url.username),
    };
    const connector = findConnector("postgresql").open(
      config,
      { password: decodeURIComponent(url.password) },
      ground,
    );
    return { connector, close: async () => await database.drop() };
  },
  placeholder: "$1",
  million: "SELECT n FROM generate_series(1, 1000000) AS n",
  slow: "SELECT pg_sleep(30)",
  huge: "SELECT repeat('x', 20 * 1024 * 1024) AS text FROM generate_series(1, 20)",
  schema: "public",
  forbidden: [
    ...WRITES,
    "WITH gone AS (DELETE FROM customer RETURNING *) SELECT * FROM gone",
    "EXPLAIN ANALYZE DELETE FROM customer",
    "DO $$ BEGIN DELETE FROM customer; END $$",
    "DO $$ BEGIN SET TRANSACTION READ WRITE; DELETE FROM customer; END $$",
    "SET TRANSACTION READ WRITE",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "COPY (SELECT 1) TO '/tmp/headrace-copied'",
    "COPY customer TO PROGRAM 'true'",
    "COPY customer TO STDOUT",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT lo_import('/etc/passwd')",
    "CREATE TEMP TABLE other AS SELECT 1",
    "LISTEN channel",
  ],
});

describeWith(mariadbServer, "with a server of MariaDB", () => {
  describeConnectorContract("MySQL", {
    async open() {
      const server = await startOwnMariadb();
      const [customer = "", purchase = "", rows = ""] = SETUP;
      const foreign = purchase
        .replace("INTEGER REFERENCES customer (id)", "INTEGER")
        .replace(/\)$/, ", FOREIGN KEY (customer_id) REFERENCES customer (id))");
      await server.run("CREATE DATABASE shop", "USE shop", customer, foreign, rows);
      const connector = findConnector("mysql").open(
        { host: "127.0.0.1", port: server.port, databaseName: "shop", username: server.user },
        { password: server.password },
        ground,
      );
      return { connector, close: server.stop };
    },
    placeholder: "?",
    million: "SELECT seq AS n FROM seq_1_to_1000000",
    slow: "SELECT sleep(30)",
    huge: "SELECT repeat('x', 1000000) AS text FROM seq_1_to_100",
    schema: "shop",
    forbidden: [
      ...WRITES,
      "SELECT * FROM customer INTO OUTFILE '/tmp/headrace-outfile'",
      "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE customer",
      "SET SESSION TRANSACTION READ WRITE",
      "CREATE TEMPORARY TABLE other SELECT 1",
      "TRUNCATE customer",
    ],
  });
});

const python = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

describeConnectorContract("SQLite", {
  async open() {
    const dataDir = makeFolder();
    const program = "import sqlite3, sys\nd = sqlite3.connect(sys.argv[1])\nd.executescript(sys.argv[2])";
    const made = spawnSync(python, ["-c", program, join(dataDir, "shop.db"), SETUP.join(";")]);
    if (made.status !== 0) throw new Error(String(made.stderr));
    const connector = findConnector("sqlite").open({ databaseName: "shop.db" }, {}, { guard, dataDir, openWalls });
    return { connector, close: async () => rmSync(dataDir, { recursive: true }) };
  },
  placeholder: "?",
  million: "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 1000000) SELECT n FROM c",
  slow: "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 100000000000) SELECT count(*) FROM c",
  huge: "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 30) SELECT hex(zeroblob(1000000)) AS text FROM c",
  schema: "main",
  forbidden: [
    ...WRITES,
    "ATTACH '/tmp/headrace-other.db' AS other",
    "VACUUM INTO '/tmp/headrace-vacuum.db'",
    "PRAGMA query_only = OFF",
    "PRAGMA writable_schema = ON",
    "SELECT load_extension('/lib/x.so')",
    "SELECT readfile('/etc/passwd')",
  ],
});

describeConnectorContract("DuckDB", {
  async open() {
    const dataDir = makeFolder();
    const instance = await DuckDBInstance.create(join(dataDir, "shop.duckdb"));
    const connection = await instance.connect();
    for (const statement of SETUP) await connection.run(statement);
    connection.disconnectSync();
    instance.closeSync();
    const connector = findConnector("duckdb").open({ databaseName: "shop.duckdb" }, {}, { guard, dataDir, openWalls });
    return { connector, close: async () => rmSync(dataDir, { recursive: true }) };
  },
  placeholder: "$1",
  million: "SELECT range AS n FROM range(1, 1000001)",
  slow: "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE (a.range * b.range) % 7 = 3",
  huge: "SELECT repeat('x', 1000000) AS text FROM range(40)",
  schema: "main",
  forbidden: [
    ...WRITES,
    "COPY customer TO '/tmp/headrace-copied.csv'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "ATTACH '/tmp/headrace-other.duckdb'",
    "SET enable_external_access = true",
    "INSTALL httpfs",
    "EXPORT DATABASE '/tmp/headrace-export'",
  ],
});

describe("a file of a database", () => {
  it.each([
    "/etc/passwd",
    "/etc/shadow.db",
    "../outside.db",
    "a/../../outside.db",
    "file:x?mode=rwc&vfs=unix",
    ":memory:",
    "http://example.com/x.db",
    "postgres/base.db",
    "work/x/steal.db",
    ".git/x.db",
    "shop.db?mode=rw",
    "shop.txt",
  ])("is refused outside the data folder: %s", (databaseName) => {
    const dataDir = makeFolder();
    for (const dbType of ["sqlite", "duckdb"] as const) {
      const faults = findConnector(dbType).findFaults({ databaseName }, {}, { guard, dataDir });
      expect(faults).toMatchObject([{ path: "/databaseName" }]);
    }
    rmSync(dataDir, { recursive: true });
  });
});
