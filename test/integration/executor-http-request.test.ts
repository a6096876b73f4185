import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { JsonObject, JsonValue } from "../../src/core/json.js";
import {
  createHttpRequestBuiltin,
  type HttpRequestBuiltin,
  type HttpRequestDeps,
} from "../../src/executors/http-request/http-request-builtin.js";
import { ExecutionError } from "../../src/executors/types.js";

interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly seen: SeenRequest[];
  connections: number;
  close(): Promise<void>;
}

/** A server that keeps what it is sent, and answers by path. */
async function openServer(routes: Record<string, RequestListener>, host = "127.0.0.1"): Promise<TestServer> {
  const server: Server = createServer((request, response) => {
    const { method = "", url = "", headers } = request;
    void text(request).then((body) => {
      opened.seen.push({ method, url, headers, body });
      const route = routes[new URL(url, "http://x").pathname];
      if (route) route(request, response);
      else response.writeHead(404, { "content-type": "application/json" }).end('{"error":"no such thing"}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  const opened: TestServer = {
    url: `http://${host}:${port}`,
    port,
    seen: [],
    connections: 0,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  server.on("connection", () => {
    opened.connections += 1;
  });
  return opened;
}

const PNG = Buffer.from("89504e470d0a1a0a0000000d49484452deadbeef00ff", "hex");
const MIB = 1024 * 1024;
/** 100 MiB of zeros in 100 KiB. */
const BOMB = gzipSync(Buffer.alloc(100 * MIB), { level: 1 });

const routes: Record<string, RequestListener> = {
  "/json": (_, response) =>
    response
      .writeHead(200, { "content-type": "application/json", "set-cookie": ["a=1", "b=2"], "x-odd": "é" })
      .end('{"rows":[1,2]}'),
  "/echo": (_, response) => response.end("ok"),
  "/latin": (_, response) =>
    response
      .writeHead(200, { "content-type": "text/plain; charset=iso-8859-1" })
      .end(Buffer.from("caf\xe9", "latin1")),
  "/empty": (_, response) => response.writeHead(204).end(),
  "/png": (_, response) => response.writeHead(200, { "content-type": "image/png" }).end(PNG),
  "/untyped-bytes": (_, response) => response.end(PNG),
  "/hidden-nul": (_, response) => response.writeHead(200, { "content-type": "text/plain" }).end("a\0b"),
  "/big-text": (_, response) =>
    response.writeHead(200, { "content-type": "text/csv" }).end("a,b\n".repeat(MIB / 2)),
  "/big-json": (_, response) =>
    response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify(["x".repeat(2 * MIB)])),
  "/bad-json": (_, response) => response.writeHead(200, { "content-type": "application/json" }).end("{oops"),
  "/huge-number": (_, response) =>
    response.writeHead(200, { "content-type": "application/json" }).end('{"a":[1e999]}'),
  "/gzip": (_, response) =>
    response
      .writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
      .end(gzipSync('{"packed":"gzip"}')),
  "/brotli": (_, response) =>
    response
      .writeHead(200, { "content-type": "application/json", "content-encoding": "br" })
      .end(brotliCompressSync('{"packed":"br"}')),
  "/odd-encoding": (_, response) => response.writeHead(200, { "content-encoding": "zstd" }).end("x"),
  "/thrice-packed": (_, response) =>
    response.writeHead(200, { "content-encoding": "gzip,gzip,gzip" }).end("x"),
  "/cut-gzip": (_, response) =>
    response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("x".repeat(10_000)).subarray(0, 20)),
  "/bomb": (_, response) =>
    response.writeHead(200, { "content-type": "text/plain", "content-encoding": "gzip" }).end(BOMB),
  "/says-huge": (_, response) => void response.writeHead(200, { "content-length": 10 ** 12 }).write("x"),
  "/endless": (_, response) => {
    const chunk = Buffer.alloc(64 * 1024, 97);
    const write = (): void => {
      while (!response.destroyed && response.write(chunk));
    };
    response.writeHead(200, { "content-type": "text/plain" }).on("drain", write);
    write();
  },
  "/never": () => undefined,
  "/dribble": (_, response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write("."), 50);
    response.on("close", () => clearInterval(timer));
  },
  "/cut": (_, response) => {
    response.writeHead(200, { "content-length": 100 }).write("half");
    setTimeout(() => response.destroy(), 20);
  },
  "/busy": (_, response) =>
    response.writeHead(429, { "retry-after": "7", "content-type": "text/plain" }).end("later, please"),
  "/dated": (_, response) =>
    response.writeHead(503, { "retry-after": new Date(Date.now() + 60_000).toUTCString() }).end(),
  "/teapot": (_, response) => response.writeHead(418).end("x".repeat(100_000)),
  "/dribbling-error": (_, response) => {
    response.writeHead(500).write("began");
  },
};

function redirectTo(status: number, location: string | (() => string)): RequestListener {
  return (_, response) =>
    response.writeHead(status, { location: typeof location === "string" ? location : location() }).end();
}

describe("builtin:http", () => {
  let server: TestServer;
  let other: TestServer;
  /** On an address that nothing allows. */
  let secret: TestServer;
  let workdir: string;
  let builtin: HttpRequestBuiltin;
  const builtins: HttpRequestBuiltin[] = [];
  const logs: string[] = [];

  function open(deps: HttpRequestDeps = {}): HttpRequestBuiltin {
    const made = createHttpRequestBuiltin(deps);
    builtins.push(made);
    return made;
  }

  interface Given {
    readonly with?: HttpRequestBuiltin;
    readonly signal?: AbortSignal;
    readonly maxOutputBytes?: number;
    readonly secretHosts?: readonly (readonly string[])[];
  }

  async function request(input: JsonObject, given: Given = {}): Promise<JsonObject> {
    const output: JsonValue = await (given.with ?? builtin).execute(input, {
      signal: given.signal ?? AbortSignal.timeout(20_000),
      emit: { log: (_, message) => logs.push(message), progress: () => undefined, token: () => undefined },
      workdir,
      limits: { maxOutputBytes: given.maxOutputBytes ?? 64 * MIB },
      ...(given.secretHosts && { secretHosts: given.secretHosts }),
    });
    return output as JsonObject;
  }

  async function fail(input: JsonObject, given: Given = {}): Promise<ExecutionError> {
    const error = await request(input, given).then(
      (output) => new Error(`gave ${JSON.stringify(output).slice(0, 500)}`),
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof ExecutionError)) throw error;
    return error;
  }

  beforeAll(async () => {
    other = await openServer({
      "/landing": (_, response) => response.end("landed"),
      "/back": redirectTo(302, () => `${server.url}/echo`),
    });
    secret = await openServer({ "/": (_, response) => response.end("metadata") }, "127.0.0.2");
    server = await openServer({
      ...routes,
      "/to-json": redirectTo(302, "/json"),
      "/keep-307": redirectTo(307, "/echo"),
      "/see-other": redirectTo(303, "echo?moved=1"),
      "/post-302": redirectTo(302, "/echo"),
      "/loop": redirectTo(302, "/loop"),
      "/abroad": redirectTo(302, () => `${other.url}/landing`),
      "/abroad-307": redirectTo(307, () => `${other.url}/landing`),
      "/there-and-back": redirectTo(302, () => `${other.url}/back`),
      "/to-private": redirectTo(302, () => `http://127.0.0.2:${secret.port}/`),
      "/to-odd-private": redirectTo(302, () => `http://[::ffff:127.0.0.2]:${secret.port}/`),
      "/to-private-name": redirectTo(302, () => `http://inside.example.org:${secret.port}/`),
      "/to-file": redirectTo(302, "file:///etc/passwd"),
      "/to-credentials": redirectTo(302, () => `http://u:p@127.0.0.1:${server.port}/json`),
      "/to-nonsense": redirectTo(302, "http://[::"),
    });
    builtin = open({ allowedPrivateHosts: ["127.0.0.1"] });
  });

  afterAll(async () => {
    await Promise.all(builtins.map((one) => one.close()));
    await Promise.all([server, other, secret].map((one) => one.close()));
  });

  beforeEach(async () => {
    workdir = await mkdtemp(join(tmpdir(), "http-request-"));
    for (const one of [server, other, secret]) {
      one.seen.length = 0;
      one.connections = 0;
    }
    logs.length = 0;
  });

  afterEach(async () => {
    await rm(workdir, { recursive: true, force: true });
  });

  describe("sends", () => {
    it("each request on a connection of its own: a kept one may be closed under it", async () => {
      server.connections = 0;
      for (let count = 0; count < 3; count += 1) await request({ url: `${server.url}/json` });
      expect(server.connections).toBe(3);
    });

    it("a GET with query and headers, and gives status, headers and JSON", async () => {
      const output = await request({
        url: `${server.url}/json?page=1`,
        query: { tag: ["a b", "c&d"], on: true, n: 2, none: null },
        headers: { "X-Trace": "t1", Accept: "application/json" },
        body: null,
      });
      expect(output).toMatchObject({
        status: 200,
        headers: { "content-type": "application/json", "set-cookie": ["a=1", "b=2"] },
        body: { rows: [1, 2] },
      });
      expect(server.seen).toMatchObject([
        {
          method: "GET",
          url: "/json?page=1&tag=a+b&tag=c%26d&on=true&n=2",
          headers: { "x-trace": "t1", accept: "application/json", host: `127.0.0.1:${server.port}` },
          body: "",
        },
      ]);
      expect(logs).toEqual([`GET ${server.url}/json → 200`]);
    });

    it.each([
      [{ body: { a: [1, "é"] } }, "application/json", '{"a":[1,"é"]}'],
      [{ body: "plain" }, "text/plain; charset=utf-8", "plain"],
      [{ body: "<a/>", headers: { "Content-Type": "application/xml" } }, "application/xml", "<a/>"],
      [
        { body: [1], headers: { "content-type": "application/vnd.api+json" } },
        "application/vnd.api+json",
        "[1]",
      ],
      [{ form: { a: "x y&z", b: [1, 2] } }, "application/x-www-form-urlencoded", "a=x+y%26z&b=1&b=2"],
      [{}, undefined, ""],
    ] as [JsonObject, string | undefined, string][])("the body of %j", async (inputs, contentType, body) => {
      await request({ url: `${server.url}/echo`, method: "post", ...inputs });
      expect(server.seen).toMatchObject([{ method: "POST", body }]);
      expect(server.seen[0]?.headers["content-type"]).toBe(contentType);
      expect(server.seen[0]?.headers["content-length"]).toBe(String(Buffer.byteLength(body)));
    });

    it("credentials in the forms that a secret can take", async () => {
      const url = `${server.url}/echo`;
      await request({ url, bearerToken: "t0ken" });
      await request({ url, basicAuth: "user:pä:ss" });
      await request({ url, apiKey: "k3y", apiKeyHeader: "X-Custom" });
      expect(server.seen.map(({ headers }) => headers.authorization)).toEqual([
        "Bearer t0ken",
        `Basic ${Buffer.from("user:pä:ss").toString("base64")}`,
        undefined,
      ]);
      expect(server.seen[2]?.headers["x-custom"]).toBe("k3y");
    });
  });

  describe("reads", () => {
    it("text in its charset, and nothing where there is nothing", async () => {
      expect((await request({ url: `${server.url}/latin` }))["body"]).toBe("café");
      expect(await request({ url: `${server.url}/empty` })).toMatchObject({ status: 204, body: null });
      expect(await request({ url: `${server.url}/gzip`, method: "HEAD" })).toMatchObject({ body: null });
      expect((await request({ url: `${server.url}/json`, responseType: "text" }))["body"]).toBe(
        '{"rows":[1,2]}',
      );
    });

    it("compressed answers", async () => {
      expect((await request({ url: `${server.url}/gzip` }))["body"]).toEqual({ packed: "gzip" });
      expect((await request({ url: `${server.url}/brotli` }))["body"]).toEqual({ packed: "br" });
    });

    it.each([
      ["/png", "auto", "response.png", "image/png", PNG],
      ["/untyped-bytes", "auto", "response.bin", "application/octet-stream", PNG],
      ["/hidden-nul", "auto", "response.txt", "text/plain", Buffer.from("a\0b")],
      ["/json", "artifact", "response.json", "application/json", Buffer.from('{"rows":[1,2]}')],
      ["/big-text", "auto", "response.csv", "text/csv", Buffer.from("a,b\n".repeat(MIB / 2))],
      [
        "/big-json",
        "auto",
        "response.json",
        "application/json",
        Buffer.from(JSON.stringify(["x".repeat(2 * MIB)])),
      ],
    ] as const)("%s as %s into the file %s", async (path, responseType, name, contentType, bytes) => {
      const output = await request({ url: server.url + path, responseType });
      expect(output["artifact"]).toEqual({ name, contentType, sizeBytes: bytes.length });
      expect(output).not.toHaveProperty("body");
      const sha256 = (data: Buffer) => createHash("sha256").update(data).digest("hex");
      expect(sha256(await readFile(join(workdir, "artifacts", name)))).toBe(sha256(bytes));
    });

    it("large JSON as a value where the step asks for it", async () => {
      const { body } = await request({ url: `${server.url}/big-json`, responseType: "json" });
      expect((body as string[])[0]).toHaveLength(2 * MIB);
    });

    it.each([
      ["/bad-json", "upstream_error", "valid JSON"],
      ["/huge-number", "invalid_output", "/a/0"],
      ["/odd-encoding", "upstream_error", "encoding"],
      ["/thrice-packed", "upstream_error", "encoding"],
      ["/cut-gzip", "upstream_error", "cut short"],
      ["/cut", "upstream_error", "connection was lost|shorter"],
    ])("%s as %s", async (path, code, message) => {
      const error = await fail({ url: server.url + path });
      expect(error.code).toBe(code);
      expect(error.message).toMatch(new RegExp(message));
    });

    it.each([
      ["/bomb", "auto"],
      ["/bomb", "text"],
      ["/bomb", "artifact"],
      ["/endless", "text"],
      ["/endless", "artifact"],
      ["/says-huge", "auto"],
    ])("no more of %s as %s than the limit", async (path, responseType) => {
      const startedAt = performance.now();
      const before = process.memoryUsage().rss;
      const error = await fail({ url: server.url + path, responseType }, { maxOutputBytes: 4 * MIB });
      expect(error.code).toBe("invalid_output");
      expect(error.message).toContain(String(4 * MIB));
      expect(performance.now() - startedAt).toBeLessThan(5_000);
      expect(process.memoryUsage().rss - before).toBeLessThan(150 * MIB);
    });
  });

  describe("judges the status", () => {
    it.each([
      [201, "2xx", true],
      [404, "2xx", false],
      [404, 404, true],
      [404, [200, "404"], true],
      [404, ["2xx", "3xx"], false],
      [404, "400-410", true],
      [404, "400-403", false],
    ] as const)("%d against %j: %p", async (status, expectedStatus, isExpected) => {
      const answering = await openServer({ "/x": (_, response) => response.writeHead(status).end() });
      try {
        const input = { url: `${answering.url}/x`, expectedStatus: expectedStatus as JsonValue };
        if (isExpected) expect(await request(input)).toMatchObject({ status });
        else expect(await fail(input)).toMatchObject({ code: "upstream_error", details: { status } });
      } finally {
        await answering.close();
      }
    });

    it("tells what came, whether to try again, and when", async () => {
      expect(await fail({ url: `${server.url}/nothing` })).toMatchObject({
        code: "upstream_error",
        message: "The server answered 404 Not Found",
        retryable: false,
        details: { status: 404, body: '{"error":"no such thing"}' },
      });
      expect(await fail({ url: `${server.url}/busy` })).toMatchObject({
        retryable: true,
        details: { status: 429, body: "later, please", retryAfterSeconds: 7 },
      });
      const dated = await fail({ url: `${server.url}/dated` });
      expect(dated).toMatchObject({ retryable: true, details: { status: 503 } });
      const { retryAfterSeconds } = dated.details as { retryAfterSeconds: number };
      expect(retryAfterSeconds).toBeGreaterThan(50);
      expect(retryAfterSeconds).toBeLessThanOrEqual(60);
      const teapot = await fail({ url: `${server.url}/teapot` });
      expect((teapot.details as { body: string }).body).toBe("x".repeat(2_048));
    });

    it("does not wait for long for the body of an error", async () => {
      const startedAt = performance.now();
      const error = await fail({ url: `${server.url}/dribbling-error` });
      expect(error).toMatchObject({ details: { status: 500, body: "began" } });
      expect(performance.now() - startedAt).toBeLessThan(8_000);
    }, 15_000);
  });

  describe("redirects", () => {
    it("are followed, or not", async () => {
      expect(await request({ url: `${server.url}/to-json` })).toMatchObject({ body: { rows: [1, 2] } });
      expect(
        await request({ url: `${server.url}/to-json`, followRedirects: false, expectedStatus: 302 }),
      ).toMatchObject({ status: 302, headers: { location: "/json" } });
      expect(await fail({ url: `${server.url}/to-json`, followRedirects: false })).toMatchObject({
        code: "upstream_error",
        details: { status: 302 },
      });
    });

    it("keep method and body, or become a GET, as browsers do", async () => {
      for (const path of ["/keep-307", "/see-other", "/post-302"]) {
        await request({ url: server.url + path, method: "POST", body: { a: 1 }, headers: { "x-a": "1" } });
      }
      const landed = server.seen.filter(({ url }) => url.startsWith("/echo"));
      expect(landed).toMatchObject([
        { method: "POST", url: "/echo", body: '{"a":1}', headers: { "x-a": "1" } },
        { method: "GET", url: "/echo?moved=1", body: "", headers: { "x-a": "1" } },
        { method: "GET", url: "/echo", body: "" },
      ]);
      expect(landed[1]?.headers).not.toHaveProperty("content-type");
    });

    it("end after five", async () => {
      const error = await fail({ url: `${server.url}/loop` });
      expect(error).toMatchObject({ code: "upstream_error", retryable: false });
      expect(server.seen).toHaveLength(6);
    });

    it.each(["/abroad", "/there-and-back"])(
      "carry nothing of the step's to another origin: %s",
      async (path) => {
        await request({
          url: server.url + path,
          headers: { Cookie: "c=HUSH", "X-Api-Token": "HUSH" },
          bearerToken: "HUSH",
          apiKey: "HUSH",
          query: { key: "HUSH" },
        });
        const [first, ...later] = [...server.seen.slice(0, 1), ...other.seen, ...server.seen.slice(1)];
        expect(JSON.stringify(first).match(/HUSH/g)).toHaveLength(5);
        expect(other.seen).toHaveLength(1);
        expect(JSON.stringify(later)).not.toContain("HUSH");
      },
    );

    it("do not carry a body to another origin", async () => {
      const error = await fail({ url: `${server.url}/abroad-307`, method: "POST", body: "HUSH" });
      expect(error).toMatchObject({ code: "upstream_error", retryable: false });
      expect(error.message).toContain(other.url);
      expect(other.connections).toBe(0);
    });

    it.each([
      "/to-private",
      "/to-odd-private",
      "/to-private-name",
      "/to-file",
      "/to-credentials",
      "/to-nonsense",
    ])("are judged like the first URL: %s", async (path) => {
      const careful = open({
        allowedPrivateHosts: ["127.0.0.1"],
        resolveName: async () => [{ address: "127.0.0.2", family: 4 }],
      });
      const error = await fail({ url: server.url + path }, { with: careful });
      expect(error).toMatchObject({ code: "upstream_error", retryable: false });
      expect(error.message).toMatch(/redirected to/);
      expect(secret.connections).toBe(0);
      expect(server.seen).toHaveLength(1);
    });
  });

  describe("reaches nothing private", () => {
    it.each([
      "127.0.0.1",
      "127.1",
      "2130706433",
      "0x7f.1",
      "0177.0.0.1",
      "0",
      "localhost",
      "localhost.",
      "[::1]",
      "[::]",
      "[::ffff:127.0.0.1]",
      "[::127.0.0.1]",
      "169.254.169.254",
      "metadata.google.internal",
    ])("by %s", async (host) => {
      const error = await fail({ url: `http://${host}:${server.port}/json` }, { with: open() });
      expect(error).toMatchObject({
        code: "invalid_input",
        retryable: false,
        details: { errors: [{ path: "/url" }] },
      });
      expect(server.connections).toBe(0);
    });

    it.each([["127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"]])(
      "by a public name that leads to %s",
      async (address) => {
        const resolveName = async () => [{ address, family: address.includes(":") ? 6 : 4 }];
        const error = await fail(
          { url: `http://www.example.org:${server.port}/json` },
          { with: open({ resolveName }) },
        );
        expect(error).toMatchObject({ code: "invalid_input", details: { errors: [{ path: "/url" }] } });
        expect(JSON.stringify([error.message, error.details])).not.toContain(address);
        expect(server.connections).toBe(0);
      },
    );

    it("by a name that leads elsewhere the second time: what was judged is what is connected to", async () => {
      let count = 0;
      const resolveName = async () => {
        count += 1;
        return [{ address: count === 1 ? "127.0.0.1" : "127.0.0.2", family: 4 }];
      };
      const rebound = open({ resolveName, allowedPrivateHosts: ["127.0.0.1"] });
      const url = `http://rebind.example.org:${server.port}`;
      expect(await request({ url: `${url}/json` }, { with: rebound })).toMatchObject({ status: 200 });
      expect(count).toBe(1);
      const error = await fail({ url: `${url}/json` }, { with: rebound });
      expect(error.code).toBe("invalid_input");
      expect(count).toBe(2);
      expect(secret.connections).toBe(0);
    });

    it("on a port that is not allowed", async () => {
      const allowing = open({ allowedPrivateHosts: [`127.0.0.1:${server.port}`] });
      expect(await request({ url: `${server.url}/json` }, { with: allowing })).toMatchObject({ status: 200 });
      expect((await fail({ url: `${other.url}/landing` }, { with: allowing })).code).toBe("invalid_input");
      expect(other.connections).toBe(0);
    });

    it("but what the operator names, by name too", async () => {
      const allowing = open({ allowedPrivateHosts: ["localhost"] });
      expect(
        await request({ url: `http://localhost:${server.port}/json` }, { with: allowing }),
      ).toMatchObject({ status: 200 });
      expect((await fail({ url: `${server.url}/json` }, { with: allowing })).code).toBe("invalid_input");
    });
  });

  describe("keeps a secret to its hosts", () => {
    it("and sends it to no other", async () => {
      const url = `${server.url}/json`;
      const bound = [["api.example.com", `127.0.0.1:${server.port}`]];
      expect(await request({ url, bearerToken: "t" }, { secretHosts: bound })).toMatchObject({ status: 200 });
      const elsewhere = [...bound, ["api.example.com", `127.0.0.1:${other.port}`]];
      const error = await fail({ url, bearerToken: "t" }, { secretHosts: elsewhere });
      expect(error).toMatchObject({ code: "invalid_input", details: { errors: [{ path: "/url" }] } });
      expect(server.seen).toHaveLength(1);
    });

    it("but lets a redirect go on without it", async () => {
      const secretHosts = [[`127.0.0.1:${server.port}`]];
      const output = await request({ url: `${server.url}/abroad`, bearerToken: "HUSH" }, { secretHosts });
      expect(output["body"]).toBe("landed");
      expect(JSON.stringify(other.seen)).not.toContain("HUSH");
    });
  });

  describe("refuses inputs", () => {
    it.each([
      [{ url: "nonsense" }, ["/url"]],
      [{}, ["/url"]],
      [{ url: "ftp://example.org" }, ["/url"]],
      [{ headers: { "X-A": "a\r\nX-Evil: 1" } }, ["/headers/X-A"]],
      [{ headers: { "X\r\nX-Evil": "1" } }, ["/headers/X\r\nX-Evil"]],
      [{ headers: { "": "1" } }, ["/headers/"]],
      [{ headers: { Host: "evil" } }, ["/headers/Host"]],
      [{ headers: { "Content-Length": "1" } }, ["/headers/Content-Length"]],
      [{ headers: { "transfer-encoding": "chunked" } }, ["/headers/transfer-encoding"]],
      [{ headers: { Connection: "close" } }, ["/headers/Connection"]],
      [{ headers: { "X-A": "1", "x-a": "2" } }, ["/headers/x-a"]],
      [{ headers: "X-A: 1" }, ["/headers"]],
      [{ bearerToken: "a\nX-Evil: 1" }, ["/bearerToken"]],
      [{ apiKey: "a", apiKeyHeader: "Host" }, ["/apiKeyHeader"]],
      [{ bearerToken: "a", headers: { authorization: "b" } }, ["/bearerToken"]],
      [{ basicAuth: "nocolon" }, ["/basicAuth"]],
      [{ method: "TRACE" }, ["/method"]],
      [{ method: "GET / HTTP/1.1\r\nX: 1" }, ["/method"]],
      [{ body: {}, form: {} }, ["/form"]],
      [{ query: { a: { b: 1 } } }, ["/query/a"]],
      [{ expectedStatus: "ok" }, ["/expectedStatus"]],
      [{ expectedStatus: [] }, ["/expectedStatus"]],
      [{ timeoutSeconds: 0 }, ["/timeoutSeconds"]],
      [{ timeoutSeconds: "5" }, ["/timeoutSeconds"]],
      [{ responseType: "xml" }, ["/responseType"]],
      [{ verify: false }, ["/verify"]],
      [
        { url: "http://10.0.0.1/", method: "X", followRedirects: "no" },
        ["/method", "/followRedirects", "/url"],
      ],
    ] as [JsonObject, string[]][])("%j", async (inputs, paths) => {
      const isWithoutUrl = Object.keys(inputs).length === 0;
      const error = await fail(isWithoutUrl ? {} : { url: `${server.url}/echo`, ...inputs });
      expect(error).toMatchObject({ code: "invalid_input", retryable: false });
      const { errors } = error.details as { errors: { path: string }[] };
      expect(errors.map(({ path }) => path)).toEqual(paths);
      expect(server.connections).toBe(0);
    });
  });

  describe("ends in time", () => {
    it.each(["/never", "/dribble"])("by its own limit: %s", async (path) => {
      const startedAt = performance.now();
      const error = await fail({ url: server.url + path, timeoutSeconds: 0.3 });
      expect(error.code).toBe("timeout");
      expect(error.message).toContain("0.3 seconds");
      expect(performance.now() - startedAt).toBeLessThan(2_000);
    });

    it.each(["/never", "/dribble", "/endless", "/dribbling-error"])(
      "when the step is canceled: %s",
      async (path) => {
        const controller = new AbortController();
        const failed = fail(
          { url: server.url + path, responseType: "artifact" },
          { signal: controller.signal },
        );
        await sleep(150);
        controller.abort(new ExecutionError("canceled", "a person said so"));
        expect(await failed).toMatchObject({ code: "canceled", message: "a person said so" });
      },
    );

    it("at once when it was canceled before", async () => {
      const signal = AbortSignal.abort(new ExecutionError("canceled", "too late"));
      expect(await fail({ url: `${server.url}/json` }, { signal })).toMatchObject({ code: "canceled" });
      expect(server.connections).toBe(0);
      expect(await readdir(workdir)).toEqual([]);
    });
  });

  describe("tells what broke", () => {
    const toPort = (port: number) => `http://127.0.0.1:${port}/`;

    it("a closed port, worth a retry", async () => {
      const closed = await openServer({});
      await closed.close();
      const error = await fail({ url: toPort(closed.port) });
      expect(error).toMatchObject({
        code: "upstream_error",
        retryable: true,
        details: { code: "ECONNREFUSED" },
      });
      expect(error.message).toContain("refused");
    });

    it("a name that nobody knows", async () => {
      const resolveName = async () => {
        throw Object.assign(new Error("getaddrinfo ENOTFOUND"), { code: "ENOTFOUND" });
      };
      const error = await fail(
        { url: "https://no.example.org/?token=HUSH" },
        { with: open({ resolveName }) },
      );
      expect(error).toMatchObject({
        code: "upstream_error",
        retryable: true,
        details: { code: "ENOTFOUND" },
      });
      expect(error.message).not.toContain("HUSH");
    });

    it("the next address where the first does not answer", async () => {
      const addresses = ["127.0.0.3", "127.0.0.1"].map((address) => ({ address, family: 4 }));
      const several = open({ allowedPrivateHosts: ["127.0.0.0/8"], resolveName: async () => addresses });
      expect(
        await request({ url: `http://two.example.org:${server.port}/json` }, { with: several }),
      ).toMatchObject({ status: 200 });
    });

    it.each([
      ["something else", "SSH-2.0-OpenSSH_9.0\r\n", /HTTP/],
      ["nothing", "", /connection was lost/],
      ["far too much", `HTTP/1.1 200 OK\r\nX-Long: ${"x".repeat(100_000)}\r\n\r\n`, /headers are too large/],
      [
        "two lengths",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        /longer than it says/,
      ],
    ])("a server that says %s", async (_, greeting, message) => {
      const tcp = createTcpServer((socket) => {
        socket.on("error", () => undefined).resume();
        socket.end(greeting);
      });
      await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
      try {
        const error = await fail({ url: toPort((tcp.address() as AddressInfo).port) });
        expect(error.code).toBe("upstream_error");
        expect(error.message).toMatch(message);
      } finally {
        await new Promise((resolve) => tcp.close(resolve));
      }
    });

    it("plain HTTP where TLS was meant", async () => {
      const error = await fail({ url: `https://127.0.0.1:${server.port}/` });
      expect(error.code).toBe("upstream_error");
      expect(error.message).toMatch(/TLS/);
    });
  });
});
