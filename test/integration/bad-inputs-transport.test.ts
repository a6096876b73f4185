import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { expectProblem, get, itHolds, type MatrixRow, post } from "../support/matrix-rows.js";
import { type MatrixWorld, NOBODY, startMatrixWorld } from "../support/matrix-world.js";

let world: MatrixWorld;
const RUNS = "/workflow-runs";
const MEBIBYTE = 1024 ** 2;

/** A row that sends these bytes as they are. */
function raw(
  name: string,
  body: string | Buffer,
  status: MatrixRow["status"],
  headers: Record<string, string> = { "content-type": "application/json" },
): MatrixRow {
  return { name, request: { method: "POST", path: `/api/v1${RUNS}`, body, headers }, status };
}

const nested = (open: string, close: string, depth = 100_000) =>
  `{"input":${open.repeat(depth)}1${close.repeat(depth)}}`;
const named = (text: string) =>
  Buffer.concat([
    Buffer.from('{"mcpType":"python_script","name":"'),
    Buffer.from(text, "latin1"),
    Buffer.from('"}'),
  ]);
const define = (name: string, body: string | Buffer, status: MatrixRow["status"]): MatrixRow => ({
  name,
  request: {
    method: "POST",
    path: "/api/v1/mcp-definitions",
    body,
    headers: { "content-type": "application/json" },
  },
  status,
});

const BODIES: readonly MatrixRow[] = [
  raw("1 a body that breaks off", '{"a":', 400),
  raw("1 a body with a trailing comma", '{"workflow":"x",}', 400),
  raw("1 a body with a comment", '{"workflow":"x" /* y */}', 400),
  raw("1 single quotes", "{'workflow':'x'}", 400),
  raw("1 two values", '{"workflow":"x"}{"workflow":"y"}', 400),
  raw("1 NaN", '{"workflow":"x","input":NaN}', 400),
  raw("1 only blanks", "   ", 400),
  raw("1 a number beyond all", '{"workflow":"x","input":1e400}', [400, 422]),
  ...["[]", "null", '"x"', "12", "true", "[{}]"].map((body) => raw(`2 the body ${body}`, body, 422)),
  raw("3 text/plain", "{}", 415, { "content-type": "text/plain" }),
  raw("3 application/xml", "<a/>", 415, { "content-type": "application/xml" }),
  raw("3 no type, but a body", "{}", 415, {}),
  raw("3 a form", "workflow=x", 415, { "content-type": "application/x-www-form-urlencoded" }),
  raw("3 multipart", '--b\r\nContent-Disposition: form-data; name="workflow"\r\n\r\nx\r\n--b--', 415, {
    "content-type": "multipart/form-data; boundary=b",
  }),
  raw("3 another character set", "{}", 415, { "content-type": "application/json; charset=utf-16" }),
  raw("3 a type that only looks like JSON", "{}", 415, { "content-type": "application/jsonx" }),
  raw("3 YAML where only JSON is read", "workflow: x", 415, { "content-type": "application/yaml" }),
  raw("4 30 MiB", Buffer.alloc(30 * MEBIBYTE, "x"), 413),
  raw("5 100,000 arrays", nested("[", "]"), [400, 422]),
  raw("5 100,000 objects", nested('{"a":', "}"), [400, 422]),
  raw("5 arrays that are never closed", `{"input":${"[".repeat(100_000)}`, [400, 422]),
  define("6 __proto__", '{"name":"abc-proto","mcpType":"python_script","__proto__":{"role":"admin"}}', 422),
  define(
    "6 constructor",
    '{"name":"abc-proto","mcpType":"python_script","constructor":{"prototype":{"x":1}}}',
    422,
  ),
  define("6 __proto__, escaped", '{"name":"abc-p","mcpType":"python_script","\\u005f_proto__":{"x":1}}', 422),
  raw("6 __proto__ deep inside", '{"workflow":"x","input":{"a":[{"__proto__":{"x":1}}]}}', 422),
  define("8 bytes that are no UTF-8", named("a\xff"), 400),
  define("8 an overlong encoding", named("a\xc0\xaf"), 400),
  define("8 half a character", named("a\\ud800"), 422),
  define("8 NUL", named("a\\u0000b"), 422),
  raw("8 NUL in a value that is kept", '{"workflow":"x","input":{"a":"b\\u0000"}}', 422),
  raw("8 NUL in a name that is kept", '{"workflow":"x","input":{"a\\u0000":1}}', 422),
  raw("9 a gzip bomb", gzipSync(Buffer.alloc(64 * MEBIBYTE)), [413, 415], {
    "content-type": "application/json",
    "content-encoding": "gzip",
  }),
  ...["br", "deflate", "gzip, gzip", "x-gzip", "zstd", "GZIP"].map((encoding) =>
    raw(`9 Content-Encoding: ${encoding}`, "{}", [413, 415], {
      "content-type": "application/json",
      "content-encoding": encoding,
    }),
  ),
];

const QUERIES: readonly MatrixRow[] = [
  ...["0", "-1", "201", "1e3", "abc", "", "1.5", "0x10", "+5", "%20", "9999999999999999999", "５"].map((limit) =>
    get(`10 limit=${limit}`, `${RUNS}?limit=${encodeURIComponent(decodeURIComponent(limit))}`, 422, "/limit"),
  ),
  get("10 limit twice", `${RUNS}?limit=1&limit=2`, 422, "/limit"),
  ...["random", "' OR 1=1--", "eyJhIjoxfQ", "e30", "W10", "bnVsbA", "../..", `a${"b".repeat(600)}`].map((cursor) =>
    get(`11 cursor=${cursor.slice(0, 20)}`, `${RUNS}?cursor=${encodeURIComponent(cursor)}`, 422, "/cursor"),
  ),
  get("12 an unknown status", `${RUNS}?status=nope`, 422, "/status"),
  get("12 status[]", `${RUNS}?status[]=a&status[]=b`, 422, "/status[]"),
  get("12 status[$ne]", `${RUNS}?status[$ne]=x`, 422, "/status[$ne]"),
  get("12 status twice", `${RUNS}?status=failed&status=queued`, 422, "/status"),
  get("12 __proto__", `${RUNS}?__proto__[x]=1`, 422),
  get("12 2,000 labels", `${RUNS}?${"label=a:b&".repeat(2_000)}`, 422),
  get("12 65 labels", `${RUNS}?${"label=a:b&".repeat(65)}`, 422, "/label"),
  get("12 an unknown parameter", `${RUNS}?order=asc`, 422, "/order"),
  get("13 a label without a colon", `${RUNS}?label=a`, 422, "/label"),
  get("13 a label without a name", `${RUNS}?label=:a`, 422, "/label"),
  ...["yesterday", "2026-02-30", "2026-13-01", "1", "2026-01-01T25:00:00Z", "now()", "2026-01-01T00:00:00"].map(
    (moment) => get(`13 createdAfter=${moment}`, `${RUNS}?createdAfter=${moment}`, 422, "/createdAfter"),
  ),
];

const METHODS: readonly MatrixRow[] = [
  { name: "14 PUT", request: { method: "PUT", path: `/api/v1${RUNS}` }, status: 405 },
  { name: "14 DELETE", request: { method: "DELETE", path: `/api/v1${RUNS}` }, status: 405 },
  { name: "14 TRACE /", request: { method: "TRACE", path: "/" }, status: 405 },
  { name: "14 TRACE of the API", request: { method: "TRACE", path: `/api/v1${RUNS}` }, status: 405 },
  { name: "14 PATCH of health", request: { method: "PATCH", path: "/health/live" }, status: 405 },
  get("15 an unknown path", "/nope", 404),
  get("15 dots to a public path", "/../health/live", 404),
  get("15 encoded dots to a public path", "/%2e%2e/health/live", 404),
  get("15 dots and an encoded slash", "/..%2fhealth%2flive", 404),
  get("15 a broken escape", "/workflow-runs/%zz", 404),
  get("15 an escape that is no UTF-8", "/workflow-runs/%ff", 404),
];

const NAMES = ["workflow-runs", "users", "mcp-versions", "schedules", "webhooks", "external-db-configs", "artifacts"];
const NO_IDS = [
  ...["abc", "0", "-1", "%00", "..%2fusers", "null", "undefined", "%27%20OR%201=1--", "{id}", "x".repeat(5_000)],
  ...["0193d5a1-7b1c-7000-8000-0000000000FG", "0193d5a17b1c70008000000000000000f", `${NOBODY}%0a`, `${NOBODY}%20`],
];
const IDS: readonly MatrixRow[] = [
  ...NAMES.flatMap((name) =>
    NO_IDS.map((id): MatrixRow => ({
      name: `21 /${name}/${id.slice(0, 40)}`,
      request: { path: `/api/v1/${name}/${id}`, as: "admin" },
      status: 404,
    })),
  ),
  { name: "21 /workflow-runs/../users", request: { path: "/api/v1/workflow-runs/../users" }, status: 404 },
];

const PUBLIC = ["/health/live", "/health/ready", "/openapi.json"];
const BENT = [
  ...["/api/v1/workflow-runs;x", "/api/v1/workflow-runs/", "/api/v1//workflow-runs", "//api/v1/workflow-runs"],
  ...["/health/live/%2e%2e/%2e%2e/api/v1/workflow-runs", "/api/v1/workflow-runs?x=/health/live"],
  ...["/API/V1/WORKFLOW-RUNS", "/api/v1/workflow-runs/health/live", "/api/v1/workflow-runs/health"],
  ...["/api/v1/workflow-definitions/health", "/api/v1/workflow-definitions/ready", "/api/v1/users#/health/live"],
  ...["/api/v1/mcp-definitions/openapi.json", "/api/v1/workflow-definitions/login", "/api/v1/users/health/live"],
  ...["/health/live/../../api/v1/users", "/docs/../api/v1/users", "/docs/%2e%2e/api/v1/users", "/hooks/../api/v1/users"],
  ...["/assets/..%2fapi%2fv1%2fusers", "/sign-in/../api/v1/users", "/api/v1/auth/login/../../users", "/%61pi/v1/users"],
  ...["/api/v1/users%3f/health/live", "/api/v1/users%23", "/api/v1/users;/health/live", "/api/v1/users/.", "/mcp/"],
  ...["/admin/queues/../queues", "/admin/queues;x", "/admin/queues/api/queues/", "/ADMIN/QUEUES", "/apps/health/live/"],
  ...PUBLIC.map((path) => `/api/v1/users?next=${path}`),
];

describe("bad inputs: transport and ids", () => {
  beforeAll(async () => {
    world = await startMatrixWorld();
  });
  afterAll(async () => {
    await world.close();
  });

  describe("bodies", () => itHolds(BODIES, async (request) => await world.send(request)));
  describe("queries", () => itHolds(QUERIES, async (request) => await world.send(request)));
  describe("methods and paths", () => itHolds(METHODS, async (request) => await world.send(request)));
  describe("ids", () => itHolds(IDS, async (request) => await world.send(request)));

  it("6 nothing has reached a prototype", async () => {
    expect(({} as { x?: unknown; role?: unknown }).x).toBeUndefined();
    expect(({} as { x?: unknown; role?: unknown }).role).toBeUndefined();
    expect((await world.send({ path: "/api/v1/auth/me" })).body["role"]).toBe("editor");
  });

  it("7 of a name that is there twice the last counts, once", async () => {
    const body = '{"name":"twice-a","name":"twice-b","mcpType":"python_script"}';
    const headers = { "content-type": "application/json" };
    const answer = await world.send({ method: "POST", path: "/api/v1/mcp-definitions", body, headers });
    expect([answer.status, answer.body["name"]]).toEqual([201, "twice-b"]);
    expect((await world.send({ path: "/api/v1/mcp-definitions/twice-a" })).status).toBe(404);
  });

  it("11 takes no cursor of another list, nor one that was cut or changed", async () => {
    await world.make("/mcp-definitions", { name: "page-one", mcpType: "python_script" });
    const page = await world.send({ path: "/api/v1/mcp-definitions?limit=1" });
    const cursor = String(page.body["nextCursor"]);
    const changed = `${cursor.slice(0, -2)}${cursor.endsWith("A") ? "BB" : "AA"}`;
    for (const [path, given] of [
      [`/api/v1${RUNS}`, cursor],
      ["/api/v1/mcp-definitions", cursor.slice(0, -5)],
      ["/api/v1/mcp-definitions", changed],
    ] as const) {
      const answer = await world.send({ path: `${path}?cursor=${encodeURIComponent(given)}` });
      expect([given, answer.status < 500]).toEqual([given, true]);
      // what is read from a cursor is a place, never a right: one of another list may stand for no place in this one
      expect([200, 422]).toContain(answer.status);
    }
  });

  it("14 405 names what is allowed", async () => {
    const answer = await world.send({ method: "PUT", path: `/api/v1${RUNS}` });
    expect(String(answer.headers["allow"]).split(/, ?/)).toEqual(expect.arrayContaining(["GET", "POST"]));
    expect((await world.send({ method: "TRACE", path: "/" })).headers["allow"]).toMatch(/GET/);
  });

  it("16 431 for headers of 64 KiB, for 300 of them, and for a token of 100 KiB", async () => {
    const many = Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`x-${at}`, "y"]));
    for (const headers of [{ "x-long": "y".repeat(65_536) }, many, { authorization: `Bearer ${"y".repeat(102_400)}` }]) {
      const request = { path: "/health/live", headers };
      const answer = await world.send(request);
      expect(answer.status).toBe(431);
      expectProblem(request, answer);
    }
  });

  it("17 makes a request id of its own for one that is none", async () => {
    const bad = ["a".repeat(10_240), "<script>alert(1)</script>", "a b", "", "ä", "a;b", "a,b\t"];
    for (const id of bad) {
      const given = Buffer.from(id, "utf8").toString("latin1");
      const answer = await world.send({ path: "/api/v1/nope", headers: { "x-request-id": given } });
      expect(answer.status).toBe(404);
      expect(answer.headers["x-request-id"]).toMatch(/^[A-Za-z0-9._-]{8,200}$/);
      expect(answer.body["requestId"]).toBe(answer.headers["x-request-id"]);
    }
    const split = await speak(
      "GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: a\rSet-Cookie: x=1\r\nConnection: close\r\n\r\n",
    );
    expect(split).not.toMatch(/^set-cookie:/im);
    const escaped = await world.send({ path: "/health/live", headers: { "x-request-id": "a%0d%0aSet-Cookie:x" } });
    expect(escaped.headers["set-cookie"]).toBeUndefined();
  });

  it("19 honours no other method than the request's own", async () => {
    const path = `/api/v1/mcp-definitions/${world.component.id}`;
    for (const name of ["x-http-method-override", "x-method-override", "x-http-method"])
      await world.send({ path, headers: { [name]: "DELETE" } });
    await world.send({ method: "POST", path: `${path}?_method=DELETE`, body: { _method: "DELETE" } });
    await world.send({ path: `${path}?_method=DELETE` });
    expect((await world.send({ path })).status).toBe(200);
  });

  it("22 404 for the id of something else", async () => {
    const steps = await world.send({ path: `/api/v1${RUNS}/${world.runId}/steps` });
    const [step] = steps.body["items"] as unknown as { id: string }[];
    for (const id of [step?.id, world.workflow.id, world.component.id, NOBODY]) {
      const request = { path: `/api/v1${RUNS}/${id}` };
      const answer = await world.send(request);
      expect([id, answer.status]).toEqual([id, 404]);
      expectProblem(request, answer);
      for (const more of ["steps", "logs", "graph", "stream", "artifacts"])
        expect((await world.send({ path: `${request.path}/${more}` })).status).toBe(404);
    }
  });

  it.each(BENT)("24 nobody gets in by %s", async (path) => {
    const request = { path, as: null };
    const answer = await world.send(request);
    const type = String(answer.headers["content-type"]);
    // pages of the console are public, and hold nothing: what is asked for is not among them
    if (answer.status === 200) expect([path, type]).toEqual([path, expect.stringMatching(/^text\/html/)]);
    else expect([path, [302, 401, 404].includes(answer.status)]).toEqual([path, true]);
    expect(answer.text).not.toMatch(/"items"/);
  });

  it("serves the next request as ever", async () => {
    expect((await world.send({ path: "/health/live", as: null })).status).toBe(200);
    const answer = await world.send(post("", [RUNS, { workflow: "none" }], 404).request as { path: string });
    expect(answer.status).toBe(404);
  });
});

/** Says something that no client would, and hears all that comes back. */
async function speak(text: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    let heard = "";
    const socket = connect(Number(new URL(world.address).port), "127.0.0.1", () => void socket.write(text));
    socket.setTimeout(5_000, () => socket.destroy());
    socket.on("data", (chunk) => (heard += chunk.toString("latin1")));
    socket.on("close", () => resolve(heard)).on("error", reject);
  });
}
