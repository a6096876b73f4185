import { setTimeout as sleep } from "node:timers/promises";
import { describeExecutorCore } from "../contracts/executor-core.contract.js";
import { openLlmExecutor } from "../support/llm-executor.js";
import {
  failWith,
  type LlmServer,
  openStream,
  type Reply,
  sendChunk,
  startLlmServer,
  streamText,
} from "../support/llm-server.js";

const prompt = (userPromptTemplate: string, more = {}) => ({
  type: "llm_prompt",
  model: "test-model",
  userPromptTemplate,
  ...more,
});
const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };

/** A model that does as it is told. */
const obey: Reply = async (response, request) => {
  const said = request.body.messages.at(-1)?.content ?? "";
  const [order = "", ...rest] = said.split(" ");
  const replies: Record<string, Reply> = {
    say: streamText(rest.map((word) => `${word} `)),
    fail: failWith(400, "that is no request"),
    long: streamText(["x".repeat(1_000), "y".repeat(1_000)]),
    count: streamText(['{"n": "one"}']),
    The: streamText(['{"n": 1}']),
    hang(response) {
      openStream(response);
      sendChunk(response, { content: "well " });
    },
  };
  await replies[order]?.(response, request);
};

let server: LlmServer;

describeExecutorCore({
  name: "llm_prompt",
  // a prompt writes no log of its own: the lines there are tell of whole rounds
  has: { logs: false, progress: true, tokens: true, secrets: true },
  async open() {
    server = await startLlmServer();
    server.reply(obey);
    const opened = await openLlmExecutor(server, 60_000);
    return {
      ...opened,
      async close() {
        await opened.close();
        await server.close();
      },
    };
  },
  cases: () => ({
    succeeds: {
      config: prompt("say {{ word }} again"),
      input: { word: "hello" },
      output: {
        text: "hello again ",
        toolCalls: [],
        usage: { inputTokens: 12, outputTokens: 5, cost: 0.000074 },
        model: "test-model-2026",
        finishReason: "stop",
      },
    },
    progress: {
      config: prompt("count", { responseFormat: { type: "json_schema", schema } }),
      reports: [{ round: 1, isRepairing: true }],
    },
    tokens: { config: prompt("say one two"), text: "one two " },
    fails: { config: prompt("fail"), code: "upstream_error", message: "answered 400" },
    oversized: { config: prompt("long") },
    badInput: { config: prompt("say {{ word }}"), message: "undefined variable: word" },
    badConfigs: [
      [{ type: "llm_prompt", model: "m" }, "/userPromptTemplate"],
      [prompt("say", { baseUrl: "http://x" }), "/baseUrl"],
      [prompt("say", { temperature: 9 }), "/temperature"],
      [prompt("say", { tools: ["http://x"] }), "/tools/0"],
    ],
    hangs: {
      config: prompt("hang"),
      async waitUnderway(run) {
        while (run.tokens.length === 0) await sleep(5);
        return [];
      },
    },
    tellsSecret: { config: prompt("say {{ secret }}"), input: { secret: "tok-9f/27 'wörd'" } },
  }),
});
