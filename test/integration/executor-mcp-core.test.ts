import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { JsonObject } from "../../src/core/json.js";
import { describeExecutorCore } from "../contracts/executor-core.contract.js";
import { eventually } from "../support/eventually.js";
import { openExecutor } from "../support/open-executor.js";

const HOSTILE = fileURLToPath(new URL("../support/hostile", import.meta.url));
const configOf = (mode: string, extra: JsonObject = {}, args: string[] = []): JsonObject => ({
  type: "mcp_package",
  transport: { kind: "stdio", command: "node", args: [join(HOSTILE, "mcp-server.mjs"), mode, ...args] },
  tool: "echo",
  ...extra,
});
const input = { text: "hi" };

describeExecutorCore({
  name: "mcp_package",
  has: { logs: true, progress: true, tokens: false, secrets: true },
  open: async () =>
    await openExecutor("mcp_package", { deps: () => ({ mcpPackages: { paths: [HOSTILE] } }) }),
  cases: () => ({
    succeeds: {
      config: configOf("good"),
      input,
      output: { content: [{ type: "text", text: "hi" }], isError: false },
    },
    logs: {
      config: configOf("slow"),
      input,
      lines: [
        ["stdout", "[info] slow: step 1"],
        ["stdout", "[info] slow: step 6"],
      ],
    },
    progress: { config: configOf("slow"), input, reports: [{ value: 0.5 }, { value: 1 }] },
    fails: { config: configOf("tool-error"), input, code: "upstream_error", message: "The tool failed: hi" },
    oversized: { config: configOf("good"), input: { text: "x".repeat(5_000) } },
    badInput: { config: { ...configOf("good"), tool: "nope" }, input, message: "no tool nope" },
    badConfigs: [
      [configOf("good", { tool: "" }), "/tool"],
      [configOf("good", { toolChanges: "never" }), "/toolChanges"],
      [
        { type: "mcp_package", transport: { kind: "http", url: "http://[::ffff:127.0.0.1]:5432" } },
        "/transport/url",
      ],
      [
        {
          type: "mcp_package",
          transport: { kind: "http", url: "https://example.com", headers: { Host: "x" } },
        },
        "/transport/headers/Host",
      ],
    ],
    hangs: {
      config: configOf("never"),
      input,
      async waitUnderway(run) {
        const pids = await run.waitForPids();
        await eventually("the tool is called", () =>
          run.logs.some(({ message }) => message === "got tools/call"),
        );
        return pids;
      },
    },
    tellsSecret: {
      config: configOf("tells", { arguments: { text: "${secret:API_TOKEN}" } }),
      input: {},
    },
  }),
});
