import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { startWorker, type Worker } from "../../workers/worker.js";
import { faultPaths } from "../support/definitions-server.js";
import { waitUntil } from "../support/engine-harness.js";
import { type LlmServer, startLlmServer, streamCalls, streamText, TEST_KEY } from "../support/llm-server.js";
import { openSse } from "../support/sse-client.js";
import { startWebhooksApi, type WebhooksApi } from "../support/webhooks-api.js";

const PROVIDERS = "/api/v1/llm-providers";
const BUDGETS = "/api/v1/llm-budgets";
const MCPS = "/api/v1/mcp-definitions";
const RUNS = "/api/v1/workflow-runs";
const MODELS = [{ name: "test-model", inputPricePerMillion: 1_000_000, outputPricePerMillion: 0 }];

interface Json {
  [name: string]: unknown;
}

let api: WebhooksApi;
let server: LlmServer;
let worker: Worker;

const ask = async (
  method: string,
  path: string,
  body?: object,
  as: "admin" | "editor" | "viewer" = "admin",
) => await api.request({ method, path, as, ...(body && { body }) });
const must = async (status: number, ...request: Parameters<typeof ask>): Promise<Json> => {
  const answer = await ask(...request);
  if (answer.status !== status) throw new Error(`${answer.status}: ${answer.text}`);
  return answer.body as Json;
};
const addMcp = async (mcpType: string, version: object, prefix = "mcp") => {
  const name = `${prefix}-${newId().slice(-12)}`;
  await must(201, "POST", MCPS, { name, mcpType, version: { version: "1.0.0", ...version } });
  return name;
};
const addPrompt = async (config: object, version: object = {}) =>
  await addMcp("llm_prompt", {
    ...version,
    config: {
      type: "llm_prompt",
      model: "test-model",
      userPromptTemplate: "Say {{ word }}",
      provider: "test",
      ...config,
    },
  });
const startRun = async (mcp: string, input: object = { word: "hi" }, more: object = {}) => {
  const name = `workflow-${newId().slice(-12)}`;
  const inputs = Object.fromEntries(Object.keys(input).map((key) => [key, { input: `/${key}` }]));
  const definition = { steps: [{ id: "ask", uses: `mcp:${mcp}@1.0.0`, inputs, ...more }] };
  await must(201, "POST", "/api/v1/workflow-definitions", { name, definition });
  return await must(202, "POST", RUNS, { workflow: name, input });
};
const waitFor = async (run: Json, ...statuses: string[]): Promise<Json> => {
  let shown: Json = {};
  await waitUntil(async () => {
    shown = await must(200, "GET", `${RUNS}/${String(run["id"])}`);
    return statuses.includes(String(shown["status"]));
  }, 30_000);
  return shown;
};
const ended = async (run: Json) => await waitFor(run, "succeeded", "failed", "canceled");
const stepOf = async (run: Json): Promise<Json> => {
  const { items } = await must(200, "GET", `${RUNS}/${String(run["id"])}/steps`);
  return (items as Json[])[0] ?? {};
};
const eventsOf = async (run: Json, type: string): Promise<Json[]> =>
  (await api.platform.knex("run_events").where({ run_id: run["id"], type }).orderBy("seq")).map(
    (row) => row.data,
  );

describe("LLM prompts", () => {
  beforeAll(async () => {
    server = await startLlmServer();
    api = await startWebhooksApi({ ALLOWED_HOSTS_PRIVATE: `127.0.0.1:${server.port}`, SANDBOX: "process" });
    worker = await startWorker(api.platform, { groups: ["default"], concurrency: 8, version: "test" });
    await must(201, "POST", PROVIDERS, {
      name: "test",
      baseUrl: `${server.baseUrl}/`,
      apiKey: TEST_KEY,
      headers: { "X-Team": "value of the header" },
      models: MODELS,
    });
  });
  afterAll(async () => {
    await worker.close(0);
    await api.close();
    await server.close();
  });

  describe("providers", () => {
    it("show everybody their names, and nobody their keys", async () => {
      const { items } = await must(200, "GET", PROVIDERS, undefined, "viewer");
      const [provider] = items as Json[];
      expect(provider).toMatchObject({
        name: "test",
        baseUrl: server.baseUrl,
        hasApiKey: true,
        headerNames: ["X-Team"],
        models: MODELS,
        isDefault: false,
      });
      const stored = await api.platform.knex("llm_providers").first();
      const log = await api.platform.knex("action_logs").where("entity_type", "llm_provider");
      expect(log.map(({ action }) => action)).toContain("llm_provider.create");
      for (const text of [JSON.stringify([items, log, stored]), stored.credentials_ciphertext.toString()]) {
        expect(text).not.toContain(TEST_KEY);
        expect(text).not.toContain("value of the header");
      }
    });

    it("are an admin's to change, each change with its entry", async () => {
      const body = { name: "other", baseUrl: server.baseUrl, apiKey: "a key" };
      expect((await ask("POST", PROVIDERS, body, "editor")).status).toBe(403);
      const made = await must(201, "POST", PROVIDERS, body);
      const path = `${PROVIDERS}/${String(made["id"])}`;
      expect((await ask("POST", PROVIDERS, body)).status).toBe(409);
      const moved = await ask("PATCH", path, { baseUrl: "https://elsewhere.example.com/v1" });
      expect([moved.status, faultPaths(moved.body)]).toEqual([422, ["/apiKey"]]);
      await must(200, "PATCH", path, { baseUrl: "https://elsewhere.example.com/v1", apiKey: null });
      expect(await must(200, "GET", path)).toMatchObject({ hasApiKey: false, revision: 2 });
      await must(200, "PATCH", path, { isDefault: true });
      expect((await ask("DELETE", path)).status).toBe(204);
      const log = await api.platform.knex("action_logs").where("entity_id", String(made["id"])).orderBy("id");
      expect(log.map(({ action }) => action)).toEqual(
        expect.arrayContaining(["llm_provider.create", "llm_provider.update", "llm_provider.delete"]),
      );
    });

    it("refuse addresses of private networks, and headers that steer the request", async () => {
      const bad = { name: "bad", baseUrl: "http://169.254.169.254/v1", headers: {} };
      expect(faultPaths((await ask("POST", PROVIDERS, bad)).body)).toEqual(["/baseUrl"]);
      const steering = { name: "bad", baseUrl: server.baseUrl, headers: { Host: "x" } };
      expect(faultPaths((await ask("POST", PROVIDERS, steering)).body)).toEqual(["/headers/Host"]);
    });

    it("can be tested", async () => {
      const { items } = await must(200, "GET", PROVIDERS);
      const good = `${PROVIDERS}/${String((items as Json[])[0]?.["id"])}/test`;
      expect(await must(200, "POST", good)).toMatchObject({
        ok: true,
        models: ["test-model", "other-model"],
      });
      const made = await must(201, "POST", PROVIDERS, {
        name: "wrong",
        baseUrl: server.baseUrl,
        apiKey: "wrong-key-42",
      });
      const result = await must(200, "POST", `${PROVIDERS}/${String(made["id"])}/test`);
      expect(result).toMatchObject({ ok: false, error: expect.stringContaining("answered 401") as unknown });
      expect(JSON.stringify(result)).not.toContain("wrong-key-42");
    });
  });

  describe("versions", () => {
    it.each<[string, object, string]>([
      ["a template that is none", { userPromptTemplate: "{% if x %}" }, "/config/userPromptTemplate"],
      [
        "a template that reads a file",
        { userPromptTemplate: '{% include "a" %}' },
        "/config/userPromptTemplate",
      ],
      [
        "an input that there is not",
        { userPromptTemplate: "{{ word }} {{ wrod }}" },
        "/config/userPromptTemplate",
      ],
      ["an unknown tool", { tools: ["mcp:no-such-tool@1.0.0"] }, "/config/tools/0"],
    ])("refuse %s", async (_name, config, path) => {
      const inputSchema = { type: "object", properties: { word: {}, x: {} }, additionalProperties: false };
      const version = {
        version: "1.0.0",
        inputSchema,
        config: { type: "llm_prompt", model: "m", userPromptTemplate: "{{ word }}", ...config },
      };
      const body = { name: `mcp-${newId().slice(-12)}`, mcpType: "llm_prompt", version };
      const answer = await ask("POST", MCPS, body, "editor");
      expect([answer.status, faultPaths(answer.body)]).toEqual([422, [`/version${path}`]]);
    });
  });

  it("run with a Python tool: tokens on the stream, each call an event, usage on step and run", async () => {
    const tool = await addMcp(
      "python_script",
      {
        description: "Adds two numbers",
        inputSchema: {
          type: "object",
          properties: { a: { type: "number" }, b: { type: "number" } },
          required: ["a"],
        },
        config: {
          type: "python_script",
          code: "def main(a, b):\n    print('adding')\n    return {'sum': a + b}\n",
        },
      },
      "add",
    );
    const prompt = await addPrompt({ tools: [`mcp:${tool}@1.0.0`] });
    server.reply(
      streamCalls([{ id: "call_1", name: tool, arguments: '{"a": 40, "b": 2}' }]),
      streamText(["The ", "sum ", "is ", "42"], { pauseMs: 60 }),
    );
    const started = await startRun(prompt);
    const url = `${api.address}${RUNS}/${String(started["id"])}/stream`;
    const run = await ended(started);
    expect(run).toMatchObject({
      status: "succeeded",
      output: {
        ask: {
          text: "The sum is 42",
          finishReason: "stop",
          toolCalls: [{ tool: `mcp:${tool}@1.0.0`, arguments: { a: 40, b: 2 }, result: { sum: 42 } }],
          usage: { inputTokens: 32, outputTokens: 13, cost: 32 },
        },
      },
      usage: { calls: 2, inputTokens: 32, outputTokens: 13, cost: 32 },
    });
    expect(await stepOf(run)).toMatchObject({
      usage: { calls: 2, inputTokens: 32, outputTokens: 13, cost: 32 },
    });
    const tokens = await eventsOf(run, "step.token");
    expect(tokens.map(({ text }) => text).join("")).toBe("The sum is 42");
    expect(tokens.length).toBeGreaterThan(1);
    expect(await eventsOf(run, "step.progress")).toMatchObject([
      { tool: `mcp:${tool}@1.0.0`, arguments: { a: 40, b: 2 }, result: { sum: 42 }, round: 1 },
    ]);
    const lines = (await eventsOf(run, "step.log")).flatMap(
      ({ lines: some }) => some as { message: string }[],
    );
    expect(lines.map(({ message }) => message)).toEqual(expect.arrayContaining([`[${tool}] adding`]));
    const stream = await openSse(url, { authorization: `Bearer ${api.tokens.viewer}` });
    const seen: string[] = [];
    for await (const frame of stream.frames) if (frame.event === "step.token") seen.push(frame.data);
    expect(seen.map((data) => (JSON.parse(data) as { data: { text: string } }).data.text).join("")).toBe(
      "The sum is 42",
    );
    const summary = await must(200, "GET", "/api/v1/llm-usage?groupBy=model", undefined, "viewer");
    expect(summary).toMatchObject({
      items: [{ key: "test-model", calls: 2, cost: 32 }],
      total: { calls: 2 },
    });
    const removal = await ask("DELETE", `${MCPS}/${tool}`);
    expect([removal.status, removal.text]).toEqual([409, expect.stringContaining(prompt)]);
  }, 60_000);

  it("never show a secret, though the model repeats it piece by piece", async () => {
    await must(201, "PUT", "/api/v1/secrets/PROMPT_SECRET", { value: "swordfish-9000" });
    const prompt = await addPrompt({});
    server.reply(streamText(["It is sword", "fish", "-90", "00, of", " course"], { pauseMs: 120 }));
    const run = await ended(await startRun(prompt, {}, { inputs: { word: { secret: "PROMPT_SECRET" } } }));
    expect(run["status"]).toBe("succeeded");
    expect(server.requests[0]?.body.messages[0]?.content).toBe("Say swordfish-9000");
    const tokens = (await eventsOf(run, "step.token")).map(({ text }) => text).join("");
    expect(tokens).toBe("It is ••••••, of course");
    expect(JSON.stringify(run["output"])).not.toContain("swordfish");
  }, 30_000);

  it("use no tool that leads back to themselves, and none too deep", async () => {
    const last = await addPrompt({});
    const third = await addPrompt({ tools: [`mcp:${last}@1.0.0`] });
    const second = await addPrompt({ tools: [`mcp:${third}@1.0.0`] });
    const first = await addPrompt({ tools: [`mcp:${second}@1.0.0`] });
    const call = (name: string) => streamCalls([{ name, arguments: '{"word": "deeper"}' }]);
    server.reply(
      call(second),
      call(third),
      call(last),
      streamText(["enough"]),
      streamText(["well"]),
      streamText(["end"]),
    );
    const run = await ended(await startRun(first));
    expect(run).toMatchObject({ status: "succeeded", output: { ask: { text: "end" } }, usage: { calls: 6 } });
    const told = server.requests[3]?.body.messages.at(-1)?.content;
    expect(told).toContain("at most 3 deep");
  }, 30_000);

  describe("budgets", () => {
    const withBudget = async (budget: object, work: (budget: Json) => Promise<void>) => {
      const made = await must(201, "POST", BUDGETS, { name: `budget ${newId()}`, ...budget });
      try {
        await work(made);
      } finally {
        await ask("DELETE", `${BUDGETS}/${String(made["id"])}`);
      }
    };

    it("are an admin's, and need a limit", async () => {
      const body = { name: "mine", scope: "run", maxTokens: 5 };
      expect((await ask("POST", BUDGETS, body, "editor")).status).toBe(403);
      expect((await ask("GET", BUDGETS, undefined, "editor")).status).toBe(403);
      const limitless = await ask("POST", BUDGETS, { name: "mine", scope: "run" });
      expect([limitless.status, faultPaths(limitless.body)]).toEqual([422, ["/maxCost"]]);
    });

    it("stop a run that has spent its own", async () => {
      await withBudget({ scope: "run", maxTokens: 20 }, async ({ name }) => {
        const tool = await addMcp("python_script", {
          config: { type: "python_script", code: "def main(**inputs):\n    return {}\n" },
        });
        const prompt = await addPrompt({ tools: [`mcp:${tool}@1.0.0`] });
        server.reply(streamCalls([{ name: tool, arguments: "{}" }]), streamText(["never"]));
        const run = await ended(await startRun(prompt, { word: "hi" }, { retry: { maxAttempts: 3 } }));
        expect(run).toMatchObject({
          status: "failed",
          error: { code: "rejected" },
          usage: { calls: 1, inputTokens: 20 },
        });
        expect((run["error"] as Json)["message"]).toContain(
          `the budget "${String(name)}" of the run is spent: 20 tokens`,
        );
        expect(server.requests).toHaveLength(1);
      });
    }, 30_000);

    it("hold steps of all runs back together: each overshoots by a round at most", async () => {
      await withBudget({ scope: "day", maxCost: 0.000001, provider: "cheap" }, async () => {
        const models = [{ name: "test-model", inputPricePerMillion: 1, outputPricePerMillion: 0 }];
        await must(201, "POST", PROVIDERS, {
          name: "cheap",
          baseUrl: server.baseUrl,
          apiKey: TEST_KEY,
          models,
        });
        const prompt = await addPrompt({ provider: "cheap" });
        server.reply(streamText(["slow"], { pauseMs: 400 }));
        const runs = await Promise.all([1, 2, 3, 4].map(() => startRun(prompt)));
        const statuses = (await Promise.all(runs.map(ended))).map(({ status }) => status);
        expect(statuses.toSorted()).toEqual(["failed", "failed", "failed", "succeeded"]);
        expect(server.requests).toHaveLength(1);
      });
    }, 30_000);

    it("let a step wait until somebody approves", async () => {
      const prompt = await addPrompt({});
      await withBudget({ scope: "run", maxTokens: 0, action: "approve" }, async ({ name }) => {
        server.reply(streamText(["at last"]));
        const run = await waitFor(await startRun(prompt), "waiting");
        expect(server.requests).toHaveLength(0);
        expect(await stepOf(run)).toMatchObject({
          status: "waiting",
          waitingFor: [
            { reason: "budget", detail: expect.stringContaining(String(name)) as unknown, approvals: 0 },
          ],
        });
        const path = `${RUNS}/${String(run["id"])}/steps/ask`;
        expect((await ask("POST", `${path}/approve`, {}, "viewer")).status).toBe(403);
        expect((await ask("POST", `${path}/approve`, {}, "editor")).status).toBeLessThan(300);
        const done = await ended(run);
        expect(done).toMatchObject({ status: "succeeded", output: { ask: { text: "at last" } } });
        const { attempt, attempts } = await stepOf(done);
        expect([attempt, (attempts as Json[]).map(({ status }) => status)]).toEqual([
          2,
          ["failed", "succeeded"],
        ]);
      });
      await withBudget({ scope: "workflow", maxTokens: 0, action: "approve" }, async () => {
        const run = await waitFor(await startRun(prompt), "waiting");
        await ask("POST", `${RUNS}/${String(run["id"])}/steps/ask/reject`, { comment: "too dear" });
        expect(await ended(run)).toMatchObject({ status: "failed", error: { code: "rejected" } });
      });
    }, 60_000);
  });
});
