import { type ChildProcess, spawn } from "node:child_process";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "@jest/globals";
import type { JsonObject } from "../../src/core/json.js";
import { createExecutors, createMcpConfigSchema } from "../../src/executors/registry.js";
import { ExecutionError, type Executor } from "../../src/executors/types.js";
import { eventually } from "../support/eventually.js";
import { runOnce, type RunOptions } from "../support/execution.js";
import { findFreePort } from "../support/find-free-port.js";
import { type OpenedExecutor, openExecutor } from "../support/open-executor.js";

const EVERYTHING = fileURLToPath(
  new URL("../../node_modules/@modelcontextprotocol/server-everything/dist/index.js", import.meta.url),
);
const MESSAGE_BYTES = 1024 * 1024;
const allowedPrivateHosts = ["127.0.0.1"];

type Handler = (message: JsonObject, response: ServerResponse, request: IncomingMessage) => void;

describe("Model Context Protocol packages over HTTP", () => {
  let opened: OpenedExecutor;
  let everything: ChildProcess;
  let everythingPort: number;
  const servers: Server[] = [];

  beforeAll(async () => {
    opened = await openExecutor("mcp_package", {
      level: "process",
      deps: () => ({ mcpPackages: { allowedPrivateHosts, maxMessageBytes: MESSAGE_BYTES } }),
    });
    everythingPort = await findFreePort();
    everything = spawn(process.execPath, [EVERYTHING, "streamableHttp"], {
      env: { PATH: process.env["PATH"], PORT: String(everythingPort) },
      stdio: "ignore",
    });
    await eventually("server-everything listens", async () => {
      const answer = await fetch(`http://127.0.0.1:${everythingPort}/mcp`).catch(() => undefined);
      await answer?.body?.cancel();
      return answer !== undefined;
    });
  }, 60_000);
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });
  afterAll(async () => {
    everything?.kill("SIGKILL");
    await opened?.close();
  });

  const toConfig = (url: string, headers: Record<string, string> = {}) =>
    createMcpConfigSchema({ allowedPrivateHosts }).parse({
      type: "mcp_package",
      transport: { kind: "http", url, headers },
    });
  const run = async (config: unknown, input: JsonObject, options: RunOptions = {}) =>
    await runOnce(opened, config, input, options);
  const fail = async (config: unknown, options: RunOptions = {}): Promise<ExecutionError> => {
    const input = { tool: "echo", arguments: { text: "hi" } };
    const error = await run(config, input, options).then(
      ({ output }) => new Error(`gave ${JSON.stringify(output)}`),
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof ExecutionError)) throw error;
    return error;
  };

  /** A server that shakes hands and lists one tool; what it does with a call is the test's. */
  async function serve(onCall: Handler, onAny?: (request: IncomingMessage) => void): Promise<string> {
    const server = createServer((request, response) => {
      onAny?.(request);
      if (request.method !== "POST") return response.writeHead(405).end();
      let text = "";
      request.on("data", (chunk: Buffer) => (text += chunk.toString()));
      request.on("end", () => {
        const message = JSON.parse(text) as JsonObject & { params?: JsonObject };
        if (message["id"] === undefined) return response.writeHead(202).end();
        const { id, method } = message;
        const answer = (result: object) => {
          response.writeHead(200, { "content-type": "application/json" });
          response.end(JSON.stringify({ jsonrpc: "2.0", id, result }));
        };
        if (method === "initialize") {
          const { protocolVersion } = message.params as { protocolVersion: string };
          return answer({
            protocolVersion,
            capabilities: { tools: {} },
            serverInfo: { name: "test", version: "1" },
          });
        }
        if (method === "tools/list") {
          return answer({ tools: [{ name: "echo", inputSchema: { type: "object" } }] });
        }
        return onCall(message, response, request);
      });
      return undefined;
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  }
  const succeed: Handler = ({ id }, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ jsonrpc: "2.0", id, result: { content: [{ type: "text", text: "ok" }] } }));
  };

  it("calls a tool of a real server, with its progress", async () => {
    const config = toConfig(`http://127.0.0.1:${everythingPort}/mcp`);
    const echo = await run(config, { tool: "echo", arguments: { message: "hello" } });
    expect(echo.output).toEqual({ content: [{ type: "text", text: "Echo: hello" }], isError: false });
    const long = await run(config, {
      tool: "trigger-long-running-operation",
      arguments: { duration: 0.4, steps: 2 },
    });
    expect(long.progress).toContainEqual(expect.objectContaining({ value: 0.5 }));
  }, 30_000);

  it("sends headers with secrets, and no secret to a host that it is not bound to", async () => {
    const seen: (string | undefined)[] = [];
    const url = await serve(succeed, ({ headers }) => seen.push(headers.authorization));
    const config = toConfig(url, { Authorization: "Bearer ${secret:KEY}" });
    const secrets = { KEY: "s3cret" };
    await run(config, { tool: "echo" }, { secrets });
    expect(new Set(seen)).toEqual(new Set(["Bearer s3cret"]));
    seen.length = 0;
    const elsewhere = { inputs: [], named: { KEY: ["api.example.com"] } };
    expect(await fail(config, { secrets, secretHosts: elsewhere })).toMatchObject({ code: "invalid_input" });
    expect(seen).toEqual([]);
    const inArguments = { ...toConfig(url), arguments: { text: "${secret:KEY}" } };
    const refused = await fail(inArguments as typeof config, { secrets, secretHosts: elsewhere });
    expect(refused).toMatchObject({
      code: "invalid_input",
      message: expect.stringContaining("may not be sent"),
    });
    const byInput = { inputs: [["api.example.com"]], named: {} };
    expect(await fail(config, { secrets, secretHosts: byInput })).toMatchObject({ code: "invalid_input" });
  });

  it("reaches no private address that is not allowed, by redirect neither", async () => {
    const strict = createExecutors({ cacheRoot: join(opened.worker.workdirs.root, ".cache") });
    const executor = strict.get("mcp_package") as Executor;
    const target = await serve(succeed);
    const refused = runOnce({ executor, worker: opened.worker }, toConfig(target), { tool: "echo" });
    await expect(refused).rejects.toMatchObject({ code: "invalid_input" });
    await executor.close?.();
    let hits = 0;
    const secret = await serve(succeed, () => (hits += 1));
    const moved = await serve((_message, response) => {
      response.writeHead(307, { location: secret }).end();
    });
    const error = await fail(toConfig(moved));
    expect(error).toMatchObject({ code: "upstream_error" });
    expect(error.message).toMatch(/redirects to another origin/);
    expect(hits).toBe(0);
  });

  const json = { "content-type": "application/json" };
  const stream = { "content-type": "text/event-stream" };
  const cases: [string, Handler, RegExp][] = [
    ["401", (_message, response) => void response.writeHead(401).end("who are you"), /answered 401/],
    ["500", (_message, response) => void response.writeHead(500).end("oops"), /answered 500/],
    [
      "text",
      (_message, response) => void response.writeHead(200, { "content-type": "text/html" }).end("<p>"),
      /protocol/,
    ],
    ["broken JSON", (_message, response) => void response.writeHead(200, json).end("{"), /no valid result/],
    [
      "no JSON-RPC",
      (_message, response) => void response.writeHead(200, json).end('{"a":1}'),
      /no valid result/,
    ],
    [
      "one message of 100 MiB",
      (_message, response) => flood(response.writeHead(200, json), "x"),
      /more than 1048576 bytes/,
    ],
    [
      "an event without an end",
      (_message, response) => flood(response.writeHead(200, stream), "data: x\n"),
      /more than 1048576 bytes/,
    ],
    [
      "events without an end",
      (_message, response) => flood(response.writeHead(200, stream), "data: {}\n\n"),
      /too many messages that are no JSON-RPC/,
    ],
    ["nothing", () => undefined, /did not answer within/],
  ];
  it.each(cases)(
    "calls an answer of %s an upstream_error in time",
    async (_what, onCall, message) => {
      const error = await fail(toConfig(await serve(onCall)), { timeoutSeconds: 10 });
      expect(error.code).toBe("upstream_error");
      expect(error.message).toMatch(message);
    },
    30_000,
  );
});

/** Writes until the other side is gone, or 100 MiB are out. */
function flood(response: ServerResponse, piece: string): void {
  const block = Buffer.from(piece.repeat(Math.ceil(65_536 / piece.length)));
  let blocks = 0;
  const write = (): void => {
    for (; blocks < 1_600; blocks += 1) {
      if (response.destroyed) return;
      if (!response.write(block)) return void response.once("drain", write);
    }
    response.end();
  };
  response.on("error", () => undefined);
  write();
}
