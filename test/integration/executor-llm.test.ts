import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { JsonObject } from "../../src/core/json.js";
import { createLlmPromptExecutor } from "../../src/executors/llm/llm-prompt.js";
import { llmPromptConfigSchema } from "../../src/executors/llm/definition.js";
import type { LlmProvider, LlmSpending, PlannedCall } from "../../src/executors/llm/llm-ports.js";
import { type ComponentDoor, ExecutionError, type Executor } from "../../src/executors/types.js";
import { createSafeEvaluator } from "../../src/services/expressions/safe-evaluator.js";
import { createSandbox, type WorkerSandbox } from "../../workers/sandbox/create-sandbox.js";
import { runOnce, startRun } from "../support/execution.js";
import {
  failWith,
  type LlmServer,
  openStream,
  sendChunk,
  startLlmServer,
  streamCalls,
  streamText,
  TEST_KEY,
} from "../support/llm-server.js";

const MODEL = { name: "test-model", inputPricePerMillion: 2, outputPricePerMillion: 10 };
const SUM_TOOL: ComponentDoor = {
  describe: async (reference) => ({
    name: reference.replace(/^mcp:|@.*/g, ""),
    description: "Adds two numbers",
    inputSchema: { type: "object", properties: { a: { type: "number" }, b: { type: "number" } } },
  }),
  async call(_reference, { a, b }) {
    if (typeof a !== "number") throw new ExecutionError("invalid_input", "Input /a must be number");
    return { sum: a + Number(b) };
  },
};

let server: LlmServer;
let executor: Executor;
let worker: WorkerSandbox;
let baseUrl: string | undefined;
const planned: PlannedCall[] = [];
const settled: (LlmSpending | "canceled")[] = [];
const evaluator = createSafeEvaluator();
const workRoot = mkdtempSync(join(tmpdir(), "headrace-llm-"));

const toConfig = (more: JsonObject = {}) =>
  llmPromptConfigSchema.parse({
    type: "llm_prompt",
    model: "test-model",
    userPromptTemplate: "Say {{ word }}",
    ...more,
  });
const run = async (more: JsonObject = {}, options: Parameters<typeof runOnce>[3] = {}) => {
  settled.length = planned.length = 0;
  const opened = await startRun({ executor, worker }, toConfig(more), { word: "hello" }, options);
  const output = await opened.finished;
  return { ...opened, output: output as JsonObject };
};
const fail = async (more: JsonObject = {}, options: Parameters<typeof runOnce>[3] = {}) => {
  const error = await run(more, options).then(
    ({ output }) => new Error(`gave ${JSON.stringify(output)}`),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ExecutionError)) throw error;
  return error;
};

async function findProvider(name: string | undefined): Promise<LlmProvider> {
  if (name === "nobody") throw new ExecutionError("invalid_input", `There is no LLM provider "nobody"`);
  return {
    name: "test",
    baseUrl: baseUrl ?? server.baseUrl,
    apiKey: TEST_KEY,
    headers: { "x-team": "headrace" },
    models: [MODEL],
  };
}

describe("the LLM prompt executor", () => {
  beforeAll(async () => {
    server = await startLlmServer();
    worker = await createSandbox({
      requested: "process",
      workRoot,
      isProduction: false,
      warn: () => undefined,
    });
    executor = createLlmPromptExecutor({
      allowedPrivateHosts: [`127.0.0.1:${server.port}`],
      retryRules: { maxTries: 3, firstDelayMs: 20, maxDelayMs: 100 },
      stallMs: 400,
      ports: {
        findProvider,
        validate: async (schema, value) => await evaluator.validate(schema, value),
        renderTemplate: async (template, variables) =>
          await evaluator.renderTemplate(template, variables).then(
            (text) => ({ text }),
            (error: Error) => ({ fault: error.message }),
          ),
        ledger: {
          async reserve(call) {
            planned.push(call);
            return {
              settle: async (spent) => void settled.push(spent),
              cancel: async () => void settled.push("canceled"),
            };
          },
        },
      },
    }) as Executor;
  });
  afterAll(async () => {
    await executor.close?.();
    await worker.sandbox.close();
    await server.close();
    await evaluator.close();
    rmSync(workRoot, { recursive: true, force: true });
  });

  describe("asks", () => {
    it("with the filled template, and streams the answer", async () => {
      server.reply(streamText(["Hel", "lo ", "🎉"], { pauseMs: 5 }));
      const { output, tokens } = await run({
        systemPrompt: "Be {{ brief }}",
        temperature: 0,
        maxTokens: 50,
        topP: 0.5,
      });
      expect(output).toEqual({
        text: "Hello 🎉",
        toolCalls: [],
        usage: { inputTokens: 12, outputTokens: 5, cost: 0.000074 },
        model: "test-model-2026",
        finishReason: "stop",
      });
      expect(tokens).toEqual(["Hel", "lo ", "🎉"]);
      const [{ path, headers, body } = fault()] = server.requests;
      expect(path).toBe("/v1/chat/completions");
      expect(headers).toMatchObject({ authorization: `Bearer ${TEST_KEY}`, "x-team": "headrace" });
      expect(body).toMatchObject({
        model: "test-model",
        messages: [
          { role: "system", content: "Be {{ brief }}" },
          { role: "user", content: "Say hello" },
        ],
        stream: true,
        stream_options: { include_usage: true },
        temperature: 0,
        max_tokens: 50,
        top_p: 0.5,
      });
      expect(body).not.toHaveProperty("tools");
      expect(planned).toMatchObject([
        { provider: "test", model: "test-model", estimate: { outputTokens: 50 } },
      ]);
      expect(settled).toEqual([{ inputTokens: 12, outputTokens: 5, cost: 0.000074 }]);
    });

    it("and estimates what a provider does not count", async () => {
      server.reply(streamText(["12345678"], { tokens: null, finish: "length" }));
      const { output } = await run();
      expect(output).toMatchObject({ finishReason: "length", usage: { outputTokens: 2 } });
      expect((output["usage"] as { inputTokens: number }).inputTokens).toBeGreaterThan(10);
    });

    it("nobody when the template, the provider or a secret's hosts do not allow it", async () => {
      server.reply(streamText(["x"]));
      const template = await fail({ userPromptTemplate: "{{ nope }}" });
      expect(template).toMatchObject({ code: "invalid_input", retryable: false });
      expect(template.message).toContain("nope");
      expect(await fail({ provider: "nobody" })).toMatchObject({ code: "invalid_input" });
      const secretHosts = { inputs: [["api.example.com"]], named: {} };
      expect(await fail({}, { secretHosts })).toMatchObject({ code: "invalid_input" });
      expect(server.requests).toHaveLength(0);
    });
  });

  describe("holds an answer to its schema", () => {
    const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
    const responseFormat = { type: "json_schema", schema };

    it("and takes it from a code block", async () => {
      server.reply(streamText(['```json\n{"n": 7}\n```']));
      const { output } = await run({ responseFormat });
      expect(output).toMatchObject({ json: { n: 7 }, text: '```json\n{"n": 7}\n```' });
      expect(server.requests[0]?.body.response_format).toEqual({
        type: "json_schema",
        json_schema: { name: "answer", schema },
      });
    });

    it("and asks once for a better one", async () => {
      server.reply(streamText(['{"n": "x"}']), streamText(['{"n": 3}']));
      const { output, progress } = await run({ responseFormat });
      expect(output).toMatchObject({ json: { n: 3 }, usage: { inputTokens: 24, outputTokens: 10 } });
      const [, second] = server.requests;
      expect(second?.body.messages.slice(1)).toMatchObject([
        { role: "assistant", content: '{"n": "x"}' },
        { role: "user", content: expect.stringContaining("/n must be integer") as unknown },
      ]);
      expect(progress).toMatchObject([{ isRepairing: true, errors: [{ path: "/n" }] }]);
    });

    it("and gives up after that", async () => {
      server.reply(streamText(["no JSON"]), streamText(['{"n": 1.5}']));
      const error = await fail({ responseFormat });
      expect(error).toMatchObject({
        code: "invalid_output",
        details: { errors: [{ path: "/n", message: "must be integer" }], answer: '{"n": 1.5}' },
      });
      expect(server.requests).toHaveLength(2);
    });
  });

  describe("uses tools", () => {
    const tools = ["mcp:sum@1.0.0"];

    it("and tells the model what came of each call", async () => {
      server.reply(
        streamCalls([
          { id: "call_a", name: "sum", arguments: '{"a": 2, "b": 40}' },
          { id: "call_b", name: "sum", arguments: '{"a": "x"}' },
        ]),
        streamText(["42"]),
      );
      const { output, progress } = await run({ tools }, { components: SUM_TOOL });
      expect(output).toMatchObject({
        text: "42",
        finishReason: "stop",
        usage: { inputTokens: 32, outputTokens: 13 },
        toolCalls: [
          { id: "call_a", tool: "mcp:sum@1.0.0", arguments: { a: 2, b: 40 }, result: { sum: 42 }, round: 1 },
          { id: "call_b", arguments: { a: "x" }, error: { code: "invalid_input" }, round: 1 },
        ],
      });
      expect(progress).toHaveLength(2);
      expect(progress[0]).toMatchObject({
        tool: "mcp:sum@1.0.0",
        arguments: { a: 2, b: 40 },
        result: { sum: 42 },
      });
      const [first, second] = server.requests;
      expect(first?.body.tools).toMatchObject([
        { function: { name: "sum", description: "Adds two numbers", parameters: { type: "object" } } },
      ]);
      expect(second?.body.messages.slice(1)).toMatchObject([
        { role: "assistant", tool_calls: [{ id: "call_a" }, { id: "call_b" }] },
        { role: "tool", tool_call_id: "call_a", content: '{"sum":42}' },
        {
          role: "tool",
          tool_call_id: "call_b",
          content: expect.stringContaining("must be number") as unknown,
        },
      ]);
    });

    it("and bears with calls that make no sense", async () => {
      server.reply(
        streamCalls([
          { id: "same", name: "sum", arguments: '{"a": 1' },
          { id: "same", name: "no such tool!", arguments: "[]" },
          { id: "", name: "sum", arguments: "[1]" },
        ]),
        streamText(["sorry"]),
      );
      const { output } = await run({ tools }, { components: SUM_TOOL });
      const made = output["toolCalls"] as { id: string; error: { message: string } }[];
      expect(new Set(made.map(({ id }) => id)).size).toBe(3);
      expect(made.map(({ error }) => error.message)).toEqual([
        expect.stringContaining("no JSON"),
        expect.stringContaining('there is no tool "no such tool!"'),
        expect.stringContaining("must be a JSON object"),
      ]);
      const answered = server.requests[1]?.body.messages.filter(({ role }) => role === "tool") ?? [];
      expect(answered.map((message) => message.tool_call_id)).toEqual(made.map(({ id }) => id));
    });

    it("for so many rounds and no more", async () => {
      server.reply(streamCalls([{ name: "sum", arguments: '{"a": 1, "b": 1}' }]));
      const error = await fail({ tools, maxToolRounds: 2 }, { components: SUM_TOOL });
      expect(error).toMatchObject({
        code: "upstream_error",
        retryable: false,
        details: { maxToolRounds: 2 },
      });
      expect((error.details as { toolCalls: unknown[] }).toolCalls).toHaveLength(2);
      expect(server.requests).toHaveLength(3);
    });

    it("of packages, each under a name of its own", async () => {
      const called: unknown[] = [];
      const packages: ComponentDoor = {
        describe: async () => ({
          name: "files",
          description: "",
          inputSchema: null,
          tools: [
            { name: "read.file", inputSchema: { type: "object" } },
            { name: "read_file", inputSchema: { type: "object" } },
            { name: "x".repeat(80), inputSchema: { type: "object" } },
          ],
        }),
        async call(reference, inputs) {
          called.push([reference, inputs]);
          return { content: [] };
        },
      };
      server.reply(
        (response, seen) => {
          const names = (seen.body.tools ?? []).map((tool) => tool.function.name);
          expect(new Set(names).size).toBe(3);
          for (const name of names) expect(name).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
          return streamCalls([{ name: names[0] ?? "", arguments: '{"path": "a"}' }])(response, seen);
        },
        streamText(["done"]),
      );
      await run({ tools: ["mcp:files@1.0.0"] }, { components: packages });
      expect(called).toEqual([["mcp:files@1.0.0", { tool: "read.file", arguments: { path: "a" } }]]);
    });
  });

  describe("tries again", () => {
    it("after as long as the provider asks for", async () => {
      server.reply(
        failWith(429, "slow down", { "retry-after": "1" }),
        failWith(503, "busy"),
        streamText(["ok"]),
      );
      const { output, logs } = await run();
      expect(output["text"]).toBe("ok");
      const [first, second, third] = server.requests.map(({ atMs }) => atMs);
      expect((second ?? 0) - (first ?? 0)).toBeGreaterThan(950);
      expect((third ?? 0) - (second ?? 0)).toBeLessThan(900);
      expect(logs.map(({ message }) => message).join("\n")).toContain(
        "answered 429: slow down; try 2 in 1 s",
      );
      expect(settled).toEqual(["canceled", "canceled", expect.objectContaining({ inputTokens: 12 })]);
    });

    it("also after a date", async () => {
      const at = new Date(Date.now() + 2_000).toUTCString();
      server.reply(failWith(429, "later", { "retry-after": at }), streamText(["ok"]));
      await run();
      const [first, second] = server.requests.map(({ atMs }) => atMs);
      expect((second ?? 0) - (first ?? 0)).toBeGreaterThan(400);
    });

    it("not when the step's time would be over by then", async () => {
      server.reply(failWith(429, "tomorrow", { "retry-after": "86400" }));
      const error = await fail({}, { timeoutSeconds: 5 });
      expect(error).toMatchObject({
        code: "upstream_error",
        retryable: true,
        details: { status: 429, tries: 1 },
      });
    });

    it.each<[string, Parameters<LlmServer["reply"]>[0]]>([
      [
        "breaks off",
        (response) => {
          openStream(response);
          sendChunk(response, { content: "half an ans" });
          setTimeout(() => response.destroy(), 20);
        },
      ],
      [
        "ends in the middle",
        (response) => {
          openStream(response);
          sendChunk(response, { content: "half" });
          response.end();
        },
      ],
      [
        "stalls",
        (response) => {
          openStream(response);
          sendChunk(response, { content: "half" });
        },
      ],
      ["never begins", () => undefined],
      [
        "is no JSON",
        (response) => {
          openStream(response);
          response.end("data: {nonsense\n\n");
        },
      ],
      [
        "holds an error",
        (response) => {
          openStream(response);
          sendChunk(response, { content: "half" });
          response.end(`data: ${JSON.stringify({ error: { message: "overloaded" } })}\n\n`);
        },
      ],
      ["is a broken connection", (response) => void response.destroy()],
    ])("from the start of the round when a stream %s", async (_name, broken) => {
      server.reply(broken, streamText(["whole"]));
      const { output } = await run();
      expect(output["text"]).toBe("whole");
      expect(server.requests).toHaveLength(2);
    });

    it("so many times and no more", async () => {
      server.reply(failWith(500, "broken"));
      const error = await fail();
      expect(error).toMatchObject({
        code: "upstream_error",
        retryable: true,
        details: { status: 500, tries: 3 },
      });
      expect(server.requests).toHaveLength(3);
    });
  });

  describe("gives up at once", () => {
    it.each([400, 401, 403, 404, 422])("on %d, and shows what was said without the key", async (status) => {
      server.reply(failWith(status, `Incorrect key: ${TEST_KEY}, see https://example.com`));
      const error = await fail();
      expect(error).toMatchObject({ code: "upstream_error", retryable: false, details: { status } });
      expect(error.message).toContain(`test answered ${status}: Incorrect key`);
      expect(JSON.stringify([error.message, error.details])).not.toContain(TEST_KEY);
      expect(server.requests).toHaveLength(1);
    });

    it("on a redirect, wherever it leads", async () => {
      const other = await startLlmServer();
      server.reply((response) => {
        response.writeHead(307, { location: `${other.baseUrl}/chat/completions` }).end();
      });
      const error = await fail();
      expect(error.message).toContain("redirect");
      expect(error.retryable).toBe(false);
      expect(other.requests).toHaveLength(0);
      await other.close();
    });

    it("on a private address that nobody has allowed", async () => {
      const other = await startLlmServer();
      baseUrl = other.baseUrl;
      const error = await fail().finally(() => (baseUrl = undefined));
      expect(error).toMatchObject({ code: "upstream_error", retryable: false });
      expect(error.message).toContain("must not name this machine or a private network");
      expect(other.requests).toHaveLength(0);
      await other.close();
    });

    it("on answers without end", async () => {
      server.reply(streamText(["x".repeat(4_000), "x".repeat(4_000)]));
      expect(await fail({}, { maxOutputBytes: 5_000 })).toMatchObject({ code: "invalid_output" });
      server.reply((response) => {
        openStream(response);
        response.write("data: ");
        const more = () => void (response.destroyed || response.write(Buffer.alloc(64 * 1024, 120), more));
        more();
      });
      expect((await fail()).message).toContain("too large");
    });
  });

  it("stops at once when it is canceled, and breaks the stream off", async () => {
    server.reply(
      streamText(
        Array.from({ length: 500 }, () => "word "),
        { pauseMs: 20 },
      ),
    );
    const before = server.cutOff();
    const opened = await startRun({ executor, worker }, toConfig(), { word: "much" });
    while (opened.tokens.length === 0) await sleep(5);
    const startedAt = performance.now();
    opened.abort(new ExecutionError("canceled", "canceled by a person"));
    await expect(opened.finished).rejects.toMatchObject({ code: "canceled" });
    expect(performance.now() - startedAt).toBeLessThan(500);
    while (server.cutOff() === before) await sleep(5);
  });
});

function fault(): never {
  throw new Error("nothing was asked");
}
