import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { JsonObject, JsonValue } from "../../src/core/json.js";
import { mcpConfigSchema } from "../../src/executors/registry.js";
import { ExecutionError } from "../../src/executors/types.js";
import { createSafeEvaluator } from "../../src/services/expressions/safe-evaluator.js";
import { eventually } from "../support/eventually.js";
import { isRunning, runOnce, type RunOptions, startRun } from "../support/execution.js";
import { type OpenedExecutor, openExecutor } from "../support/open-executor.js";

const HOSTILE = fileURLToPath(new URL("../support/hostile", import.meta.url));
const NODE_MODULES = fileURLToPath(new URL("../../node_modules", import.meta.url));
const MESSAGE_BYTES = 1024 * 1024;

/** The program of an installed package. */
function binOf(name: string): string {
  const folder = join(NODE_MODULES, name);
  const { bin } = createRequire(import.meta.url)(join(folder, "package.json")) as {
    bin: Record<string, string>;
  };
  return join(folder, Object.values(bin)[0] ?? "");
}

type Output = {
  content: (JsonObject & { text: string })[];
  structuredContent?: JsonObject;
  isError: boolean;
};

describe("Model Context Protocol packages over stdio", () => {
  const evaluator = createSafeEvaluator();
  let opened: OpenedExecutor;

  beforeAll(async () => {
    opened = await openExecutor("mcp_package", {
      deps: () => ({
        mcpPackages: {
          paths: [HOSTILE, NODE_MODULES],
          maxMessageBytes: MESSAGE_BYTES,
          validate: async (schema, value) => await evaluator.validate(schema, value),
        },
      }),
    });
  });
  afterAll(async () => {
    await opened?.close();
    await evaluator.close();
  });

  const toConfig = (args: readonly string[], extra: JsonObject = {}, transport: JsonObject = {}) =>
    mcpConfigSchema.parse({
      type: "mcp_package",
      transport: { kind: "stdio", command: "node", args: [...args], ...transport },
      ...extra,
    });
  const hostile = (mode: string, extra: JsonObject = {}) =>
    toConfig([join(HOSTILE, "mcp-server.mjs"), mode], extra);
  const run = async (config: unknown, input: JsonObject, options: RunOptions = {}) =>
    await runOnce(opened, config, input, options);
  const fail = async (
    config: unknown,
    input: JsonObject,
    options: RunOptions = {},
  ): Promise<ExecutionError> => {
    const error = await run(config, input, options).then(
      ({ output }) => new Error(`gave ${JSON.stringify(output).slice(0, 500)}`),
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof ExecutionError)) throw error;
    return error;
  };

  describe("real servers", () => {
    const everything = () => toConfig([binOf("@modelcontextprotocol/server-everything"), "stdio"]);

    it("call a tool that the inputs name", async () => {
      const { output, logs } = await run(everything(), { tool: "echo", arguments: { message: "hello" } });
      expect(output).toEqual({ content: [{ type: "text", text: "Echo: hello" }], isError: false });
      expect(logs.map(({ message }) => message)).toContainEqual(
        expect.stringMatching(/^server .*everything.* \d+ tools$/),
      );
    });

    it("call the tool of the configuration, with its arguments as defaults", async () => {
      const config = { ...(everything() as JsonObject), tool: "get-sum", arguments: { a: 2, b: 1 } };
      const { output } = await run(config, { b: 40 });
      expect((output as Output).content[0]?.text).toContain("42");
    });

    it("give structured content that fits its schema", async () => {
      const { output } = await run(everything(), {
        tool: "get-structured-content",
        arguments: { location: "New York" },
      });
      expect(output).toMatchObject({
        isError: false,
        structuredContent: { temperature: expect.any(Number) },
      });
    });

    it("report progress", async () => {
      const { progress } = await run(everything(), {
        tool: "trigger-long-running-operation",
        arguments: { duration: 0.4, steps: 4 },
      });
      expect(progress).toEqual([0.25, 0.5, 0.75, 1].map((value) => expect.objectContaining({ value })));
    });

    it("keep files in the step's own folder", async () => {
      const config = toConfig([binOf("@modelcontextprotocol/server-filesystem"), "artifacts"]);
      let written = "";
      await run(
        config,
        { tool: "write_file", arguments: { path: "note.txt", content: "kept" } },
        {
          async inspect(workdir) {
            written = await readFile(join(workdir, "artifacts/note.txt"), "utf8");
          },
        },
      );
      expect(written).toBe("kept");
      const outside = await fail(config, { tool: "read_text_file", arguments: { path: "/etc/hostname" } });
      expect(outside).toMatchObject({ code: "upstream_error" });
      expect(outside.message).toMatch(/Access denied/);
    });

    it("remember a graph", async () => {
      const { output } = await run(
        toConfig(
          [binOf("@modelcontextprotocol/server-memory")],
          {},
          { env: { MEMORY_FILE_PATH: "${workdir}/graph.json" } },
        ),
        {
          tool: "create_entities",
          arguments: { entities: [{ name: "Ada", entityType: "person", observations: ["counts"] }] },
        },
      );
      expect((output as Output).structuredContent).toMatchObject({ entities: [{ name: "Ada" }] });
    });
  });

  describe("inputs", () => {
    it.each([
      [{}, "/tool"],
      [{ tool: 7 }, "/tool"],
      [{ tool: "echo", arguments: "x" }, "/arguments"],
      [{ tool: "echo", more: 1 }, "/more"],
      [{ tool: "echo", arguments: {} }, "/arguments/text"],
    ])("that are wrong are named: %j", async (input, path) => {
      const error = await fail(hostile("good"), input as JsonObject);
      expect(error).toMatchObject({ code: "invalid_input", retryable: false });
      expect((error.details as { errors: { path: string }[] }).errors.map((fault) => fault.path)).toEqual([
        path,
      ]);
    });

    it("name the tools when one is not there", async () => {
      const error = await fail(hostile("good"), { tool: "nope" });
      expect(error).toMatchObject({ code: "invalid_input", details: { tools: ["echo"] } });
    });
  });

  describe("servers that misbehave", () => {
    const input = { tool: "echo", arguments: { text: "hi" } };
    const cases: [string, string, RegExp][] = [
      ["not-json", "upstream_error", /no JSON-RPC/],
      ["not-rpc", "upstream_error", /no JSON-RPC/],
      ["bad-result", "upstream_error", /no valid result/],
      ["huge", "upstream_error", /more than 1048576 bytes/],
      ["flood", "upstream_error", /bytes in all/],
      ["exits", "upstream_error", /exit code 3/],
      ["error", "upstream_error", /kaput/],
      ["refuses", "invalid_input", /no such argument/],
      ["tool-error", "upstream_error", /The tool failed: hi/],
      ["many-tools", "upstream_error", /more than 1000 tools/],
      ["endless", "upstream_error", /more than 100 pages|two tools/],
      ["twins", "upstream_error", /two tools of the name echo/],
      ["ancient", "upstream_error", /no version of the protocol/],
      ["bad-structure", "invalid_output", /\/structuredContent\/n/],
      ["nul", "invalid_output", /\/content\/0\/text/],
      ["eats-memory", "out_of_memory", /memoryMb/],
    ];
    it.each(cases)(
      "%s → %s",
      async (mode, code, message) => {
        const startedAt = performance.now();
        const error = await fail(hostile(mode, { memoryMb: 256 }), input);
        expect(error.code).toBe(code);
        expect(error.message).toMatch(message);
        expect(performance.now() - startedAt).toBeLessThan(20_000);
      },
      40_000,
    );

    it("is held to bounded memory while it sends 100 MiB", async () => {
      const before = process.memoryUsage().rss;
      await fail(hostile("huge"), input);
      expect(process.memoryUsage().rss - before).toBeLessThan(60 * 1024 * 1024);
    }, 30_000);

    it("does not hang us by a pattern in its schema", async () => {
      const startedAt = performance.now();
      await run(hostile("redos"), input).catch((error: unknown) => error);
      expect(performance.now() - startedAt).toBeLessThan(10_000);
    });

    it.each(["silent", "never"])("%s is given up before the step's time is over", async (mode) => {
      const startedAt = performance.now();
      const error = await fail(hostile(mode), input, { timeoutSeconds: 2 });
      expect(error.code).toBe("upstream_error");
      expect(error.message).toMatch(/did not answer within 1\.\d s/);
      expect(performance.now() - startedAt).toBeLessThan(6_000);
    });

    it("may take its time while it shows progress, and no more than idleTimeoutSeconds without", async () => {
      const { output, progress, logs } = await run(hostile("slow", { idleTimeoutSeconds: 1 }), input);
      expect((output as Output).content[0]?.text).toBe("hi");
      expect(progress).toHaveLength(6);
      expect(logs.map(({ message }) => message)).toContain("[info] slow: step 6");
      const error = await fail(hostile("never", { idleTimeoutSeconds: 1 }), input);
      expect(error.message).toMatch(/within 1 s/);
    });

    it("may print what is no message", async () => {
      const { output, logs } = await run(hostile("banner"), input);
      expect((output as Output).isError).toBe(false);
      expect(logs.map(({ message }) => message)).toEqual(
        expect.arrayContaining(["listening on stdio", "[info] ready"]),
      );
    });
  });

  describe("what a server is given", () => {
    it("is a clean environment, with the secrets that its configuration names", async () => {
      process.env["DATABASE_URL"] = "postgres://hidden";
      try {
        const config = toConfig(
          [join(HOSTILE, "mcp-server.mjs"), "env", "--token=${secret:API_TOKEN}"],
          { tool: "echo", arguments: { text: "${secret:API_TOKEN}" } },
          { env: { TOKEN: "Bearer ${secret:API_TOKEN}" } },
        );
        const { output } = await run(config, {}, { secrets: { API_TOKEN: "s3cret" } });
        const [env, args] = JSON.parse((output as Output).content[0]?.text ?? "") as [JsonObject, JsonValue];
        expect(env).toMatchObject({ TOKEN: "Bearer s3cret" });
        expect(args).toEqual(["--token=s3cret"]);
        expect(Object.keys(env)).not.toContain("DATABASE_URL");
        const unknown = await fail(config, {});
        expect(unknown).toMatchObject({ code: "invalid_input" });
      } finally {
        delete process.env["DATABASE_URL"];
      }
    });

    it("is refused to commands that are not allowed", async () => {
      const config = toConfig(["-c", "true"], {}, { command: "/bin/sh" });
      expect(await fail(config, { tool: "x" })).toMatchObject({ code: "invalid_input" });
    });

    it("is refused to programs that nobody has opened to steps", async () => {
      // an installation that the sandbox would show whole: of the first, that is the machine's root
      for (const command of ["/opt/../bin/python3", "/srv/tools/bin/node"]) {
        const fault = await fail(toConfig(["-c", "true"], {}, { command }), { tool: "x" });
        expect(fault).toMatchObject({ code: "invalid_input", message: expect.stringContaining("MCP_PATHS") });
      }
    });
  });

  it("keeps large images as artifacts and small ones in the output", async () => {
    const small = await run(hostile("image"), { tool: "echo", arguments: { text: "100" } });
    expect((small.output as Output).content[0]).toMatchObject({ type: "image", data: expect.any(String) });
    const large = await startRun(opened, hostile("image"), { tool: "echo", arguments: { text: "100000" } });
    const output = (await large.finished) as Output;
    expect(output.content[0]).toEqual({
      type: "image",
      mimeType: "image/png",
      artifact: expect.objectContaining({
        name: "image-1.png",
        contentType: "image/png",
        sizeBytes: 100_000,
      }),
    });
    expect(large.artifacts[0]?.bytes).toEqual(Buffer.alloc(100_000, 7));
  });

  it("is told of a cancel, and ended with it", async () => {
    const run = await startRun(opened, hostile("never"), { tool: "echo", arguments: { text: "x" } });
    const [pid = 0] = await run.waitForPids();
    const said = () => run.logs.map(({ message }) => message);
    await eventually("the tool is called", () => said().includes("got tools/call"));
    const startedAt = performance.now();
    run.abort(new ExecutionError("canceled", "canceled by a person"));
    await expect(run.finished).rejects.toMatchObject({ code: "canceled" });
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    expect(said()).toContain("got notifications/cancelled");
    expect(isRunning(pid)).toBe(false);
  }, 30_000);
});
