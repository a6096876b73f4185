import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it, jest } from "@jest/globals";
import { z } from "zod";
import { pageQuerySchema } from "../../src/contracts/api/common.js";
import { defineRoute, type RouteDefinition } from "../../src/http/route.js";
import { createLogger } from "../../src/observability/logger.js";
import type { TestRequest, TestResponse } from "../support/http-client.js";
import { startTestServer, type TestServer } from "../support/test-server.js";

let server: TestServer;
let handled = 0;

/** Routes that show what the adapter hands over. */
function echoRoutes(): RouteDefinition[] {
  const bodySchema = z.object({
    name: z.string().max(100),
    size: z.int().positive().optional(),
    data: z.json().optional(),
  });
  return [
    defineRoute({
      method: "post",
      path: "/api/v1/echoes",
      permission: "run:start",
      summary: "Echo",
      tag: "Test",
      query: z.strictObject({
        wait: z
          .string()
          .regex(/^[0-9]+$/)
          .optional(),
      }),
      body: bodySchema,
      accepts: ["application/json", "application/yaml"],
      answers: { 200: { description: "Echo" } },
      handler({ body, query }) {
        if (body.name === "fails") return Promise.reject(new Error("hunter2"));
        handled += 1;
        return Promise.resolve({ status: 200, body: { body, query } });
      },
    }),
    defineRoute({
      method: "get",
      path: "/api/v1/echoes",
      permission: "run:read",
      summary: "List",
      tag: "Test",
      query: pageQuerySchema,
      answers: { 200: { description: "Echo" } },
      handler: ({ query }) => Promise.resolve({ status: 200, body: { query } }),
    }),
    defineRoute({
      method: "get",
      path: "/api/v1/echoes/:id",
      permission: "run:read",
      summary: "One",
      tag: "Test",
      params: z.strictObject({ id: z.uuid() }),
      answers: { 200: { description: "Echo" } },
      handler: () => Promise.reject(new Error("select * from pg_secret; password=hunter2")),
    }),
  ];
}

/** What every error answer must satisfy. */
function expectProblem(response: TestResponse, status: number): void {
  expect({ status: response.status, text: response.status === status ? "" : response.text }).toEqual({
    status,
    text: "",
  });
  expect(response.headers["content-type"]).toMatch(/^application\/problem\+json/);
  const problem = response.body as Record<string, unknown>;
  for (const member of ["type", "title", "detail", "instance"]) expect(typeof problem[member]).toBe("string");
  expect(problem["status"]).toBe(status);
  expect(problem["requestId"]).toBe(response.headers["x-request-id"]);
  expect(response.text).not.toMatch(/ {4}at |node_modules|\/home|\/srv|pg_|hunter2|select \*/);
  expect(response.headers["x-content-type-options"]).toBe("nosniff");
}

function paths(response: TestResponse): string[] {
  return (
    (response.body as unknown as { errors?: { path: string }[] }).errors?.map((fault) => fault.path) ?? []
  );
}

const post = async (request: Omit<TestRequest, "path"> & { path?: string }) =>
  await server.request({ method: "POST", path: "/api/v1/echoes", ...request });
const JSON_TYPE = { "content-type": "application/json" };

describe("transport", () => {
  beforeAll(async () => {
    server = await startTestServer({
      routes: echoRoutes,
      limits: { requestTimeoutMs: 1500, headersTimeoutMs: 1000 },
    });
  });
  afterAll(async () => {
    await server.close();
  });

  describe("bodies", () => {
    it("reads JSON and YAML to the same value", async () => {
      const json = await post({ body: { name: "a", size: 3 } });
      const yaml = await post({
        body: "name: a\nsize: 3\n",
        headers: { "content-type": "application/yaml" },
      });
      expect(json.status).toBe(200);
      expect(yaml.body).toEqual(json.body);
    });

    it.each([
      ["cut off", '{"a":'],
      ["100,000 levels deep", `${'{"data":'.repeat(1)}${"[".repeat(100_000)}${"]".repeat(100_000)}}`],
      ["invalid UTF-8", Buffer.from([0x7b, 0x22, 0x6e, 0x22, 0x3a, 0x22, 0xff, 0x22, 0x7d])],
    ])("400: %s", async (_name, body) => {
      expectProblem(await post({ body, headers: JSON_TYPE }), 400);
    });

    it.each(["[]", "null", '"x"', "12"])("422 with path '': %s", async (body) => {
      const response = await post({ body, headers: JSON_TYPE });
      expectProblem(response, 422);
      expect(paths(response)).toEqual([""]);
    });

    it.each([
      ["text/plain", { "content-type": "text/plain" }],
      ["application/xml", { "content-type": "application/xml" }],
      ["no type", {}],
      ["another charset", { "content-type": "application/json; charset=latin1" }],
      ["gzip", { ...JSON_TYPE, "content-encoding": "gzip" }],
      ["multipart", { "content-type": "multipart/form-data; boundary=x" }],
    ])("415: %s", async (_name, headers) => {
      expectProblem(await post({ body: '{"name":"a"}', headers }), 415);
    });

    it("413 by Content-Length, without reading the body", async () => {
      const startedAt = performance.now();
      const response = await post({ body: Buffer.alloc(30 * 1024 * 1024, 0x20), headers: JSON_TYPE });
      expectProblem(response, 413);
      expect(performance.now() - startedAt).toBeLessThan(1000);
    });

    it("413 for a chunked body that goes on and on", async () => {
      const answer = await exchange(
        (write) => {
          write(
            head("POST /api/v1/echoes", ["Content-Type: application/json", "Transfer-Encoding: chunked"]),
          );
          const chunk = `100000\r\n${" ".repeat(0x100000)}\r\n`;
          for (let count = 0; count < 12; count += 1) write(chunk);
        },
        (text) => text.includes("\r\n\r\n"),
      );
      expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    });

    it.each([
      ["__proto__", '{"name":"a","__proto__":{"role":"admin"}}', "/__proto__"],
      ["constructor", '{"name":"a","constructor":{"prototype":{"x":1}}}', "/constructor"],
      ["__proto__ in free data", '{"name":"a","data":{"__proto__":1}}', "/data/__proto__"],
      ["NUL", '{"name":"a\\u0000b"}', "/name"],
      ["half a surrogate pair", '{"name":"a","data":["\\ud800"]}', "/data/0"],
      ["an endless number", '{"name":"a","data":1e400}', "/data"],
    ])("422: %s", async (_name, body, path) => {
      const response = await post({ body, headers: JSON_TYPE });
      expectProblem(response, 422);
      expect(paths(response)).toEqual([path]);
      expect(({} as Record<string, unknown>)["x"]).toBeUndefined();
    });

    it("names every fault of query and body at once", async () => {
      const response = await post({
        path: "/api/v1/echoes?wait=abc&nope=1",
        body: { size: -1, other: true },
      });
      expectProblem(response, 422);
      expect(paths(response).sort()).toEqual(["/name", "/nope", "/other", "/size", "/wait"]);
    });

    it.each([
      ["a custom tag", "name: !!js/function 'function () {}'"],
      ["a Python tag", "name: !!python/object/apply:os.system ['id']"],
      ["duplicate keys", "name: a\nname: b"],
      ["two documents", "name: a\n---\nname: b"],
      ["a merge key", "base: &b { x: 1 }\nname: a\ndata:\n  <<: *b\nextra: 1"],
      ["a tab", "name: a\ndata:\n\t- b"],
      ["billion laughs", billionLaughs()],
      ["deep nesting", `name: a\ndata: ${"[".repeat(20_000)}${"]".repeat(20_000)}`],
      ["no number", "name: a\ndata: .nan"],
    ])("422 YAML: %s", async (_name, body) => {
      const startedAt = performance.now();
      expectProblem(await post({ body, headers: { "content-type": "application/yaml" } }), 422);
      expect(performance.now() - startedAt).toBeLessThan(1000);
    });

    it.each([
      ["deep flow", "[".repeat(500_000)],
      ["deep, just below what aborted the process", `${"[".repeat(5000)}${"]".repeat(5000)}`],
      ["endless quotes", '"'.repeat(900_000)],
      ["more than 1 MiB", "- a\n".repeat(300_000)],
    ])("a YAML text made to hurt slows nobody: %s", async (_name, text) => {
      const startedAt = performance.now();
      const hurting = post({ body: text, headers: { "content-type": "application/yaml" } });
      await new Promise((resolve) => setTimeout(resolve, 100));
      const health = performance.now();
      expect((await server.request({ path: "/health/live" })).status).toBe(200);
      expect(performance.now() - health).toBeLessThan(500);
      expect([413, 422]).toContain((await hurting).status);
      expect(performance.now() - startedAt).toBeLessThan(6000);
    });

    it("reads a long YAML text", async () => {
      const data = Array.from({ length: 5000 }, (_, index) => ({ id: `step-${index}` }));
      const body = `name: a\ndata:\n${data.map(({ id }) => `  - id: ${id}`).join("\n")}\n`;
      const response = await post({ body, headers: { "content-type": "application/yaml" } });
      expect(response.body).toEqual({ body: { name: "a", data }, query: {} });
    });

    it("reads YAML scalars as YAML 1.2 does", async () => {
      const response = await post({
        body: "name: a\ndata: [yes, 012, 1e3, 0o17, ~, 2026-01-01]",
        headers: { "content-type": "application/yaml" },
      });
      expect(response.body).toEqual({
        body: { name: "a", data: ["yes", 12, 1000, 15, null, "2026-01-01"] },
        query: {},
      });
    });

    it("handled nothing that it refused", () => {
      expect(handled).toBe(4);
    });
  });

  describe("queries", () => {
    it.each(["0", "-1", "201", "1e3", "abc", "", "1&limit=2", "%31%00"])("422: limit=%s", async (limit) => {
      const response = await server.request({ path: `/api/v1/echoes?limit=${limit}` });
      expectProblem(response, 422);
      if (!limit.includes("%")) expect(paths(response)).toEqual(["/limit"]);
    });

    it.each([
      ["[]", "status[]=a&status[]=b"],
      ["[$ne]", "status[$ne]=x"],
      ["2,000 parameters", "label=x&".repeat(2000)],
      ["__proto__", "__proto__=1"],
    ])("422: %s", async (_name, query) => {
      expectProblem(await server.request({ path: `/api/v1/echoes?${query}` }), 422);
    });

    it("honours no method override", async () => {
      const response = await server.request({
        path: "/api/v1/echoes?_method=DELETE",
        headers: { "x-http-method-override": "DELETE" },
      });
      expect(response.body).toEqual({ query: { limit: 50 } });
    });
  });

  describe("paths", () => {
    it("405 with Allow", async () => {
      for (const [method, path] of [
        ["PUT", "/api/v1/echoes"],
        ["TRACE", "/"],
        ["DELETE", "/health/live"],
      ] as const) {
        const response = await server.request({ method, path });
        expectProblem(response, 405);
        expect(response.headers.allow).toMatch(/GET/);
      }
    });

    const ID = "0193d5a1-7b1c-7000-8000-000000000001";
    it.each([
      "/api/v1/nope",
      "/api/v1/../health/live",
      "/api/v1/%2e%2e/health/live",
      "/api/v1/echoes/abc",
      "/api/v1/echoes/0",
      "/api/v1/echoes/%00",
      "/api/v1/echoes/%ff",
      "/api/v1/echoes/%zz",
      "/api/v1/echoes/../users",
      `/api/v1/echoes/${"a".repeat(5000)}`,
      `/api/v1/echoes/${ID};x`,
      `/api/v1/echoes/${ID}/`,
      "/api/v1//echoes",
      "/API/v1/echoes",
      "/health/live/",
      "/x/health/live",
      "/Health/Live",
    ])("404: %s", async (path) => {
      expectProblem(await server.request({ path }), 404);
    });

    it("is bland about its own faults, and answers the next request", async () => {
      expectProblem(await server.request({ path: `/api/v1/echoes/${ID}` }), 500);
      expect((await server.request({ path: "/health/live" })).body).toEqual({ status: "ok" });
    });
  });

  describe("headers", () => {
    it("echoes a plain request id and replaces any other", async () => {
      const plain = await server.request({ path: "/health/live", headers: { "x-request-id": "abc-1.2_3" } });
      expect(plain.headers["x-request-id"]).toBe("abc-1.2_3");
      for (const id of ["<b>", "a".repeat(10_000), "a b", ""]) {
        const response = await server.request({ path: "/health/live", headers: { "x-request-id": id } });
        expect(response.headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
      }
    });

    it("sends security headers, and no word of Express", async () => {
      for (const path of ["/health/live", "/api/v1/nope", "/"]) {
        const { headers } = await server.request({ path });
        expect(headers["content-security-policy"]).toContain("default-src 'none'");
        expect(headers["content-security-policy"]).not.toMatch(/script-src[^;]*unsafe/);
        expect(headers).toMatchObject({ "x-frame-options": "DENY", "x-content-type-options": "nosniff" });
        expect(headers["x-powered-by"]).toBeUndefined();
        expect(headers["access-control-allow-origin"]).toBeUndefined();
      }
    });

    it("421 for a foreign Host", async () => {
      expectProblem(await server.request({ path: "/health/live", headers: { host: "evil.example" } }), 421);
      for (const host of ["localhost:1", "127.0.0.1", "[::1]:3000", "LOCALHOST"]) {
        expect((await server.request({ path: "/health/live", headers: { host } })).status).toBe(200);
      }
    });

    it("has a failure in the log, also of a request whose body was read", async () => {
      const logger = createLogger({ level: "silent", name: "test" });
      const error = jest.spyOn(logger, "error");
      const other = await startTestServer({ routes: echoRoutes, logger });
      try {
        const answer = await other.request({
          method: "POST",
          path: "/api/v1/echoes",
          body: { name: "fails" },
        });
        expectProblem(answer, 500);
        const { requestId } = answer.body;
        expect(error).toHaveBeenCalledWith(expect.objectContaining({ requestId }), "request failed");
      } finally {
        await other.close();
      }
    });

    it("421 for two Hosts, of which one is ours", async () => {
      const lines = ["GET /health/live HTTP/1.1", "Host: localhost", "Host: evil.example", "", ""];
      const answer = await exchange(
        (write) => write(lines.join("\r\n")),
        (text) => text.includes("\r\n\r\n"),
      );
      expect(answer).toMatch(/^HTTP\/1\.1 421 /);
    });

    it("431 for headers that are too large or too many", async () => {
      expectProblem(await server.request({ path: "/", headers: { "x-large": "a".repeat(64 * 1024) } }), 431);
      const many = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`x-${index}`, "a"]));
      expectProblem(await server.request({ path: "/", headers: many }), 431);
    });

    it("answers what is not HTTP with a problem", async () => {
      const answer = await exchange((write) => write("NONSENSE\r\n\r\n"));
      expect(answer).toMatch(/^HTTP\/1\.1 400 [\s\S]*application\/problem\+json/);
    });

    it("sends CORS headers to the listed origins alone", async () => {
      const other = await startTestServer({ environment: { CORS_ORIGINS: "https://console.example" } });
      try {
        const path = "/health/live";
        const listed = await other.request({ path, headers: { origin: "https://console.example" } });
        expect(listed.headers["access-control-allow-origin"]).toBe("https://console.example");
        expect(listed.headers["access-control-allow-credentials"]).toBeUndefined();
        const evil = await other.request({ path, headers: { origin: "https://evil.example" } });
        expect(evil.headers["access-control-allow-origin"]).toBeUndefined();
      } finally {
        await other.close();
      }
    });
  });

  describe("slow clients", () => {
    it("are cut off while others are served", async () => {
      const startedAt = performance.now();
      const slow = Array.from(
        { length: 20 },
        async () => await exchange((write) => write("GET / HTTP/1.1\r\nHost: loc")),
      );
      const silent = exchange((write) =>
        write(
          head("POST /api/v1/echoes", [
            ...["Content-Type: application/json", "Content-Length: 100"],
            "Expect: 100-continue",
          ]),
        ),
      );
      expect((await server.request({ path: "/health/live" })).status).toBe(200);
      const answers = await Promise.all(slow);
      for (const answer of answers) expect(answer).toMatch(/^HTTP\/1\.1 408 /);
      expect(await silent).toMatch(/408|400/);
      expect(performance.now() - startedAt).toBeLessThan(10_000);
    });
  });
});

function head(line: string, headers: readonly string[]): string {
  const token = `Authorization: Bearer ${server.users.editor.token}`;
  return [`${line} HTTP/1.1`, "Host: localhost", token, ...headers, "", ""].join("\r\n");
}

/** Writes bytes, and returns what comes back until the server closes or `isEnough`. */
async function exchange(
  send: (write: (text: string) => void) => void,
  isEnough: (text: string) => boolean = () => false,
): Promise<string> {
  return await new Promise((resolve) => {
    let text = "";
    const socket = connect(server.port, "127.0.0.1", () => send((part) => socket.write(part)));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (isEnough(text)) socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(text));
  });
}

function billionLaughs(): string {
  const lines = ["name: a", "data:", "  a: &a [x, x, x, x, x, x, x, x, x]"];
  for (const [index, name] of [..."bcdefghi"].entries()) {
    const before = "abcdefgh"[index];
    lines.push(`  ${name}: &${name} [${Array.from({ length: 9 }, () => `*${before}`).join(", ")}]`);
  }
  return lines.join("\n");
}
