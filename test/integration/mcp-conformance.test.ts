import { execFile } from "node:child_process";
import { createServer, request as send, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { openPubSub } from "../../src/events/open-pub-sub.js";
import type { PubSub } from "../../src/events/pub-sub.js";
import { createMcpEndpoint } from "../../src/http/mcp/mcp-endpoint.js";
import { createMcpExchange, type McpExchange } from "../../src/streaming/mcp-exchange.js";
import { createMcpSessions } from "../../src/http/mcp/mcp-session.js";
import { mcpRoutes } from "../../src/http/routes/mcp.js";
import { conformanceFeatures } from "../support/conformance-features.js";
import { startTestServer, TEST_JWT_SECRET, type TestServer } from "../support/test-server.js";

/**
 * The official suite, its scenarios for servers. It calls tools, prompts and resources of its own invention, which a
 * fixture offers on the machinery of `/mcp`; and it knows no tokens, which a proxy adds.
 */
describe("official conformance suite on the machinery of /mcp", () => {
  let server: TestServer;
  let proxy: Server;
  let pubSub: PubSub;
  let exchange: McpExchange;

  beforeAll(async () => {
    let start: (() => Promise<void>) | undefined;
    server = await startTestServer({
      routes: ({ databaseUrl, logger, prefix }) => {
        start = async () => {
          pubSub = await openPubSub({ redisUrl: undefined, databaseUrl, prefix, logger });
          exchange = createMcpExchange({ pubSub, logger });
          await exchange.start();
        };
        const lazy: McpExchange = {
          stopped: new AbortController().signal,
          start: async () => await exchange.start(),
          ask: (...given) => exchange.ask(...given),
          track: (...given) => exchange.track(...given),
          answer: async (...given) => await exchange.answer(...given),
          cancel: async (...given) => await exchange.cancel(...given),
          close: async () => await exchange.close(),
        };
        const endpoint = createMcpEndpoint({
          sessions: createMcpSessions({ jwtSecret: TEST_JWT_SECRET }),
          exchange: lazy,
          logger,
          serverInfo: { name: "conformance", version: "1" },
          instructions: "",
          allowedOrigins: [],
          features: conformanceFeatures,
        });
        return mcpRoutes({ endpoint });
      },
    });
    await start?.();
    proxy = createServer((incoming, outgoing) => {
      const headers = { ...incoming.headers, authorization: `Bearer ${server.users.operator.token}` };
      const { method = "GET", url = "/" } = incoming;
      const forwarded = send(
        { port: server.port, host: "127.0.0.1", method, path: url, headers },
        (answer) => {
          outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(outgoing);
        },
      );
      forwarded.on("error", () => outgoing.destroy());
      outgoing.on("close", () => forwarded.destroy());
      incoming.pipe(forwarded);
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  });
  afterAll(async () => {
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
    await exchange.close();
    await pubSub.close();
    await server.close();
  });

  it("passes every scenario", async () => {
    const main = createRequire(import.meta.url).resolve("@modelcontextprotocol/conformance/dist/index.js");
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/mcp`;
    const options = { timeout: 120_000, maxBuffer: 64 * 1024 * 1024, cwd: process.env["TMPDIR"] ?? "/tmp" };
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [main, "server", "--url", url, "--suite", "all"],
      options,
    ).catch((error: { stdout?: string; stderr?: string }) => ({
      stdout: `${error.stdout}\n${error.stderr}`,
    }));
    const summary = stdout.slice(stdout.lastIndexOf("SUMMARY"));
    const lines = summary.split("\n").filter((line) => /passed/.test(line));
    expect(lines.length).toBeGreaterThan(25);
    expect(lines.filter((line) => !/ 0 failed/.test(line))).toEqual([]);
  }, 150_000);
});
