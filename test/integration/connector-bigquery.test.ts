import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { findConnector } from "../../src/connectors/registry.js";
import type { Connector, QueryRequest } from "../../src/connectors/types.js";
import { createOutgoingGuard } from "../../src/outgoing/outgoing-guard.js";
import { eventually } from "../support/eventually.js";
import { type BigqueryServer, startBigqueryServer } from "../support/bigquery-server.js";

const ORDERS = "SELECT id, total, paid_at, tags FROM orders";
const FIELDS = [
  { name: "id", type: "INTEGER" },
  { name: "total", type: "NUMERIC" },
  { name: "paid_at", type: "TIMESTAMP" },
  { name: "name", type: "STRING" },
];
const rows = [1, 2, 3, 4, 5].map((id) => [
  String(id),
  `${id}.50`,
  "1767225600000000",
  id === 2 ? null : `n${id}`,
]);

const guard = createOutgoingGuard({ allowedPrivateHosts: ["127.0.0.1"] });
const ground = { guard, dataDir: "/nowhere" };
const definition = findConnector("bigquery");

describe("BigQuery as a connector, against a server that speaks its API", () => {
  let server: BigqueryServer;
  let connector: Connector;
  beforeAll(async () => {
    server = await startBigqueryServer(
      {
        "SELECT 1 AS one": {
          statementType: "SELECT",
          fields: [{ name: "one", type: "INTEGER" }],
          rows: [["1"]],
        },
        [ORDERS]: { statementType: "SELECT", fields: FIELDS, rows, polls: 2 },
        "DELETE FROM orders": { statementType: "DELETE", changed: 5 },
        "SELECT 1; SELECT 2": { statementType: "SCRIPT" },
        "SELECT ?": { statementType: "SELECT", fields: [{ name: "f0_", type: "STRING" }], rows: [["x"]] },
        "SELECT denied": {
          statementType: "SELECT",
          error: { code: 403, message: "Access Denied: Project x" },
        },
        "SELECT endless": { statementType: "SELECT", polls: 1_000_000 },
      },
      {
        "sales.orders": {
          type: "TABLE",
          numRows: "5",
          schema: {
            fields: [
              { name: "id", type: "INTEGER", mode: "REQUIRED" },
              { name: "tags", type: "STRING", mode: "REPEATED" },
            ],
          },
          tableConstraints: { primaryKey: { columns: ["id"] } },
        },
        "sales.recent": { type: "VIEW", schema: { fields: [{ name: "id", type: "INTEGER" }] } },
      },
    );
    connector = definition.open(
      { projectId: "shop-project", options: { apiEndpoint: server.endpoint, location: "EU" } },
      {},
      ground,
    );
  });
  afterAll(async () => {
    await connector.close();
    await server.stop();
  });

  const run = async (sql: string, more: Partial<QueryRequest> = {}) =>
    await connector.query({
      sql,
      params: [],
      maxRows: 100,
      readOnly: true,
      timeoutSeconds: 20,
      signal: new AbortController().signal,
      ...more,
    });

  it("answers a test", async () => {
    await expect(connector.test(new AbortController().signal)).resolves.toEqual({
      serverVersion: "BigQuery v2",
    });
  });

  it("waits for the job, reads every page, and gives values as JSON", async () => {
    const result = await run(ORDERS);
    expect(result.columns).toEqual(FIELDS.map(({ name, type }) => ({ name, type })));
    expect(result.rows[0]).toEqual({ id: 1, total: 1.5, paid_at: "2026-01-01T00:00:00.000Z", name: "n1" });
    expect(result.rows[1]?.["name"]).toBeNull();
    expect(result).toMatchObject({ rowCount: 5, truncated: false });
  });

  it("reads no more rows than it was asked for", async () => {
    expect(await run(ORDERS, { maxRows: 3 })).toMatchObject({ rowCount: 3, truncated: true });
  });

  it.each(["DELETE FROM orders", "SELECT 1; SELECT 2"])("runs no %s under readOnly", async (sql) => {
    const before = server.requests.length;
    await expect(run(sql)).rejects.toMatchObject({ fault: "statement" });
    const since = server.requests.slice(before);
    expect(since.map(({ path, body }) => [path, body?.configuration?.dryRun])).toEqual([["/jobs", true]]);
  });

  it("changes something when it is told that it may", async () => {
    expect(await run("DELETE FROM orders", { readOnly: false })).toMatchObject({ rowCount: 5, rows: [] });
  });

  it("sends parameters beside the statement", async () => {
    await run("SELECT ?", { params: ["x'; DROP TABLE orders"] });
    const { configuration } = server.requests.filter(({ path }) => path === "/jobs").at(-1)?.body ?? {};
    expect(configuration?.query).toMatchObject({
      query: "SELECT ?",
      parameterMode: "positional",
      queryParameters: [
        { parameterType: { type: "STRING" }, parameterValue: { value: "x'; DROP TABLE orders" } },
      ],
    });
  });

  it("tells faults of the statement from those of the connection", async () => {
    await expect(run("SELEKT")).rejects.toMatchObject({
      fault: "statement",
      message: "Syntax error: SELEKT",
    });
    await expect(run("SELECT denied")).rejects.toMatchObject({ fault: "connection" });
  });

  it("ends what takes too long, and cancels its job", async () => {
    await expect(run("SELECT endless", { timeoutSeconds: 1 })).rejects.toMatchObject({ fault: "timeout" });
    await eventually("the job is canceled", () =>
      server.requests.some(({ path }) => path.endsWith("/cancel")),
    );
  });

  it("tells what is in its datasets", async () => {
    const { schemas } = await connector.scanSchema(new AbortController().signal);
    expect(schemas).toEqual([
      {
        name: "sales",
        tables: [
          {
            name: "orders",
            kind: "table",
            rowEstimate: 5,
            columns: [
              { name: "id", type: "INTEGER", nullable: false, primaryKey: true },
              { name: "tags", type: "ARRAY<STRING>", nullable: true, primaryKey: false },
            ],
          },
          {
            name: "recent",
            kind: "view",
            columns: [{ name: "id", type: "INTEGER", nullable: true, primaryKey: false }],
          },
        ],
      },
    ]);
  });
});

describe("a server that does not speak BigQuery's API", () => {
  const answers = [
    ["application/json", "{}"],
    ["application/json", "[]"],
    ["application/json", "null"],
    ["application/json", '{"status":null}'],
    ["application/json", '{"status":{"state":"DONE"}}'],
    ["text/plain", "hello"],
  ] as const;

  it.each(answers)("is a fault and nothing worse: %s %s", async (type, body) => {
    const server = createServer((_request, response) => {
      response.setHeader("Content-Type", type);
      response.end(body);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const apiEndpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const other = definition.open({ projectId: "shop-project", options: { apiEndpoint } }, {}, ground);
    const { signal } = new AbortController();
    await expect(other.test(signal)).rejects.toMatchObject({ name: "ConnectorError" });
    const asked = { sql: "SELECT 1", params: [], maxRows: 1, readOnly: true, timeoutSeconds: 5, signal };
    await expect(other.query(asked)).rejects.toMatchObject({ name: "ConnectorError" });
    server.closeAllConnections();
    server.close();
  });
});

describe("what BigQuery is configured with", () => {
  const faults = (credentials: object | undefined, options: object | undefined) =>
    definition
      .findFaults({ projectId: "shop-project", options } as never, { credentials } as never, ground)
      .map(({ path }) => path);

  it("takes keys of service accounts alone", () => {
    const key = { type: "service_account", client_email: "a@b.c", private_key: "-----BEGIN" };
    expect(faults(key, undefined)).toEqual([]);
    expect(faults({ ...key, token_uri: "http://127.0.0.1/" }, undefined)).toEqual([]); // it is not read
    expect(faults(undefined, undefined)).toEqual(["/credentials"]);
    for (const type of ["external_account", "authorized_user", "impersonated_service_account", undefined]) {
      expect(faults({ ...key, type }, undefined)).toEqual(["/credentials/type"]);
    }
    expect(faults({ type: "service_account" }, undefined)).toEqual([
      "/credentials/client_email",
      "/credentials/private_key",
    ]);
  });

  it.each([
    "http://169.254.169.254",
    "http://10.0.0.1",
    "http://[::ffff:10.0.0.1]",
    "ftp://example.com",
    "http://example.com",
    // these might answer with a redirect, or lead to this machine the next time
    "https://example.com",
    "https://evilgoogleapis.com",
    "https://bigquery-evil.storage.googleapis.com",
    "http://bigquery.googleapis.com",
    "http://93.184.216.34",
  ])("calls no endpoint at %s", (apiEndpoint) => {
    expect(faults(undefined, { apiEndpoint })).toEqual(["/options/apiEndpoint"]);
  });

  it.each([
    "https://bigquery-shop.p.googleapis.com",
    "https://bigquery.europe-west3.rep.googleapis.com",
    "http://127.0.0.1:9050",
  ])("calls %s", (apiEndpoint) => {
    expect(faults(undefined, { apiEndpoint })).toEqual([]);
  });
});
