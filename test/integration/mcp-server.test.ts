import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  type CallToolResult,
  CallToolResultSchema,
  ElicitRequestSchema,
  type Progress,
} from "@modelcontextprotocol/sdk/types.js";
import { type Api, startApi } from "../../src/api.js";
import { openPlatform, type Platform } from "../../src/container.js";
import { type AppHarness, openAppHarness } from "../support/app-harness.js";
import { eventually } from "../support/eventually.js";
import { sendRequest } from "../support/http-client.js";

const WAIT = { id: "pause", uses: "builtin:wait", inputs: { seconds: { value: 1 } } };

describe("/mcp", () => {
  let harness: AppHarness;
  /** A second API on the same database and queue: what a load balancer may choose. */
  let other: { platform: Platform; api: Api };
  const open: Client[] = [];

  beforeAll(async () => {
    harness = await openAppHarness({});
    const { settings, databaseUrl, logger } = harness.platform;
    const platform = await openPlatform({ settings, databaseUrl, logger, role: "test" });
    other = { platform, api: await startApi(platform) };
    await save("/mcp-definitions", {
      name: "double",
      mcpType: "python_script",
      version: {
        version: "1.0.0",
        config: {
          type: "python_script",
          code: "def main(n):\n    print('doubling', n)\n    return {'twice': n * 2}\n",
        },
        inputSchema: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
        outputSchema: { type: "object", properties: { twice: { type: "integer" } } },
      },
    });
    await save("/workflow-definitions", {
      name: "doubler",
      description: "Doubles a number.",
      definition: {
        tool: true,
        inputs: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
        steps: [{ id: "twice", uses: "mcp:double@1.0.0", inputs: { n: { input: "/n" } } }],
        outputs: { result: { step: "twice", output: "/twice" } },
      },
    });
    await save("/workflow-definitions", { name: "hidden", definition: { steps: [WAIT] } });
    await save("/workflow-definitions", {
      name: "draft",
      draft: true,
      definition: { tool: true, steps: [WAIT] },
    });
    await save("/workflow-definitions", {
      name: "slow",
      definition: { tool: true, steps: [{ ...WAIT, inputs: { seconds: { value: 600 } } }] },
    });
    await save("/workflow-definitions", {
      name: "asks",
      definition: {
        tool: true,
        steps: [
          {
            id: "ask",
            uses: "builtin:approval",
            inputs: {
              message: { value: "Ship it?" },
              form: {
                value: { type: "object", properties: { crates: { type: "integer" } }, required: ["crates"] },
              },
            },
          },
        ],
        outputs: { answer: { step: "ask", output: "" } },
      },
    });
  });
  afterAll(async () => {
    for (const client of open) await client.close();
    await other.api.close();
    await other.platform.close();
    await harness.close();
  });

  async function save(path: string, body: object): Promise<void> {
    const answer = await harness.request({ method: "POST", path: `/api/v1${path}`, body });
    if (answer.status !== 201) throw new Error(answer.text);
  }
  type Role = keyof AppHarness["people"];

  /** A client whose every post goes to the API that `choose` names, as a load balancer would. */
  async function connect(role: Role, options: { elicits?: boolean; choose?: (body: string) => string } = {}) {
    const transport = new StreamableHTTPClientTransport(new URL("/mcp", harness.url), {
      requestInit: { headers: { Authorization: `Bearer ${harness.people[role].token}` } },
      fetch: async (_url, init) =>
        await fetch(`${options.choose?.(String(init?.body)) ?? harness.url}/mcp`, init as RequestInit),
    });
    const capabilities = options.elicits ? { elicitation: {} } : {};
    const client = new Client({ name: "test", version: "1" }, { capabilities });
    await client.connect(transport);
    open.push(client);
    return client;
  }
  const textOf = (result: CallToolResult) =>
    result.content.map((part) => (part.type === "text" ? part.text : "")).join("\n");
  const call = async (client: Client, name: string, input: object, more: object = {}) =>
    (await client.callTool({ name, arguments: { ...input } }, CallToolResultSchema, more)) as CallToolResult;

  it("offers published workflows that opt in, with their schemas, beside its own tools", async () => {
    const client = await connect("viewer");
    const { tools } = await client.listTools();
    const workflows = tools.filter((tool) => !tool.name.includes("_"));
    expect(workflows.map((tool) => tool.name)).toEqual(["asks", "doubler", "slow"]);
    expect(workflows[1]).toMatchObject({
      description: "Doubles a number.",
      inputSchema: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
      outputSchema: {
        type: "object",
        properties: { result: { anyOf: [{ type: "integer" }, { type: "null" }] } },
      },
    });
    expect(tools.find((tool) => tool.name === "list_runs")?.annotations?.readOnlyHint).toBe(true);
    expect(tools.find((tool) => tool.name === "cancel_run")?.annotations?.destructiveHint).toBe(true);
  });

  it("runs a workflow and answers its output, with progress", async () => {
    const client = await connect("operator");
    const heard: Progress[] = [];
    const result = await call(
      client,
      "doubler",
      { n: 21 },
      { onprogress: (progress: Progress) => heard.push(progress) },
    );
    expect(result.structuredContent).toEqual({ result: 42 });
    expect(JSON.parse(textOf(result))).toEqual({ result: 42 });
    const values = heard.map((progress) => progress.progress);
    expect(values.length).toBeGreaterThan(2);
    expect(values.every((value, at) => at === 0 || value > (values[at - 1] ?? 0))).toBe(true);
    expect(heard.at(-1)).toMatchObject({ total: 1 });
    const runId = String(result._meta?.["headrace/runId"]);
    const { body } = await harness.request({ path: `/api/v1/workflow-runs/${runId}` });
    expect(body).toMatchObject({ status: "succeeded", trigger: "mcp" });
    const logs = await call(client, "read_logs", { runId });
    expect(textOf(logs)).toContain("doubling 21");
  });

  it("refuses what a role may not do, says every fault, and leaves an audit entry", async () => {
    const viewer = await connect("viewer");
    const count = async () => Number((await harness.platform.knex("action_logs").count())[0]?.["count"]);
    const before = await count();
    const refused = await call(viewer, "doubler", { n: 1 });
    expect([refused.isError, textOf(refused)]).toEqual([
      true,
      "Not allowed: Your role, viewer, lacks the permission run:start",
    ]);
    expect((await call(viewer, "apply_workflow", { name: "x-y", definition: {} })).isError).toBe(true);
    expect((await call(viewer, "list_runs", {})).isError).toBeUndefined();
    expect(await count()).toBe(before + 2);
    const operator = await connect("operator");
    const wrong = await call(operator, "doubler", { n: "many" });
    expect([wrong.isError, textOf(wrong)]).toEqual([true, expect.stringContaining("- /input/n:")]);
    const unknown = await call(operator, "get_run", { runId: "0193d5a1-7b1c-7000-8000-0000000000ff" });
    expect([unknown.isError, textOf(unknown)]).toEqual([true, expect.stringContaining("Not found")]);
    expect(textOf(await call(operator, "list_runs", { limit: 0, more: 1 }))).toMatch(
      /- \/limit:[^]*- \/more:/,
    );
  });

  it.each(["__proto__", "constructor", "hidden", "draft", "none"])(
    "knows no tool called %s",
    async (name) => {
      const client = await connect("operator");
      await expect(call(client, name, {})).rejects.toThrow("Unknown tool");
    },
  );

  it("keeps sessions in no process: any other goes on, strangers and forgers do not", async () => {
    let posts = 0;
    const client = await connect("operator", {
      choose: () => ((posts += 1) % 2 === 0 ? harness.url : other.api.address),
    });
    expect((await client.listTools()).tools.length).toBeGreaterThan(3);
    expect((await call(client, "doubler", { n: 2 })).structuredContent).toEqual({ result: 4 });
    const session = (client.transport as StreamableHTTPClientTransport).sessionId ?? "";
    const post = async (headers: Record<string, string>, token: string | undefined, body: unknown = ping) =>
      (
        await sendRequest(harness.port, {
          method: "POST",
          path: "/mcp",
          headers: { accept: "application/json, text/event-stream", ...headers },
          token,
          body: body as object,
        })
      ).status;
    const ping = { jsonrpc: "2.0", id: 1, method: "ping" };
    const { operator, viewer } = harness.people;
    expect(await post({ "mcp-session-id": session }, operator.token)).toBe(200);
    expect(await post({}, operator.token)).toBe(200);
    expect(await post({ "mcp-session-id": session }, viewer.token)).toBe(404);
    expect(await post({ "mcp-session-id": "0193d5a1" }, operator.token)).toBe(404);
    expect(await post({ "mcp-session-id": `A${session}` }, operator.token)).toBe(404);
    expect(await post({}, undefined)).toBe(401);
    expect(await post({ origin: "https://evil.example" }, operator.token)).toBe(403);
    expect(await post({ host: "evil.example" }, operator.token)).toBe(421);
    expect(await post({ origin: harness.url }, operator.token)).toBe(200);
    expect(
      await post(
        {},
        operator.token,
        Array.from({ length: 10_000 }, () => ping),
      ),
    ).toBe(413);
    expect(
      await post(
        {},
        operator.token,
        Array.from({ length: 10 }, (_, id) => ({ ...ping, id })),
      ),
    ).toBe(200);
    expect(await post({}, operator.token, [])).toBe(400);
    expect(await post({}, operator.token, [1])).toBe(400);
    // shapes that the protocol does not have
    const odd = { toString: 1, valueOf: 1 };
    const cancel = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: odd } };
    expect(await post({ "mcp-session-id": session }, operator.token, cancel)).toBe(202);
    expect(await post({}, operator.token, { jsonrpc: "2.0", id: odd, result: {} })).toBe(202);
    for (const elicitation of [null, "form", 1]) {
      const params = { protocolVersion: "2025-06-18", capabilities: { elicitation }, clientInfo: {} };
      const initialize = { jsonrpc: "2.0", id: 1, method: "initialize", params };
      expect([elicitation, (await post({}, operator.token, initialize)) < 500]).toEqual([elicitation, true]);
    }
  });

  it("tells clients without a token where to read how to get one, and takes API keys", async () => {
    const refused = await sendRequest(harness.port, { method: "POST", path: "/mcp", body: {} });
    const [, url = ""] =
      /resource_metadata="([^"]+)"/.exec(String(refused.headers["www-authenticate"])) ?? [];
    const metadata = (await (await fetch(url)).json()) as object;
    expect(metadata).toMatchObject({ resource: `${harness.url}/mcp`, bearer_methods_supported: ["header"] });
    const key = await harness.request({
      method: "POST",
      path: "/api/v1/auth/api-keys",
      token: harness.people.operator.token,
      body: { name: "agent", role: "viewer" },
    });
    const answer = await sendRequest(harness.port, {
      method: "POST",
      path: "/mcp",
      token: String(key.body["key"]),
      headers: { accept: "application/json, text/event-stream" },
      body: { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "doubler", arguments: { n: 1 } } },
    });
    expect(answer.text).toContain("lacks the permission run:start");
  });

  it("cancels the run when the client cancels the call, whichever process hears of it", async () => {
    const client = await connect("operator", {
      choose: (body) => (body.includes("notifications/cancelled") ? other.api.address : harness.url),
    });
    const controller = new AbortController();
    const heard: Progress[] = [];
    const asked = call(
      client,
      "slow",
      {},
      { signal: controller.signal, onprogress: (one: Progress) => heard.push(one) },
    );
    const ended = expect(asked).rejects.toThrow();
    await eventually("progress", () => heard.length > 0);
    controller.abort("enough");
    await ended;
    await eventually("the run's end", async () => {
      const row = await harness.platform.knex("workflow_runs").first("status").where("workflow_name", "slow");
      return row?.status === "canceled";
    });
  });

  it("leaves the run alone when the client only goes away", async () => {
    const { token } = harness.people.operator;
    const controller = new AbortController();
    const asked = fetch(`${harness.url}/mcp`, {
      method: "POST",
      signal: controller.signal,
      headers: {
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
      },
      body: JSON.stringify({
        jsonrpc: "2.0",
        id: 1,
        method: "tools/call",
        params: { name: "slow", arguments: {} },
      }),
    });
    const latest = async () =>
      await harness.platform
        .knex("workflow_runs")
        .where("workflow_name", "slow")
        .orderBy("id", "desc")
        .first();
    await eventually("the run's wait", async () => (await latest())?.status === "waiting");
    controller.abort();
    await asked.then((response) => response.text()).catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { id, status } = await latest();
    expect(status).toBe("waiting");
    const client = await connect("operator");
    expect(textOf(await call(client, "cancel_run", { runId: id }))).toContain("cancel");
  });

  it("asks the client's person for approvals; the answer may come to another process", async () => {
    const client = await connect("operator", {
      elicits: true,
      choose: (body) => (body.includes('"result"') ? other.api.address : harness.url),
    });
    const asked: unknown[] = [];
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
      asked.push(params);
      return { action: "accept", content: { crates: 3, approval_comment: "go" } };
    });
    const result = await call(client, "asks", {});
    expect(asked).toEqual([
      expect.objectContaining({
        message: "Ship it?",
        requestedSchema: expect.objectContaining({ required: ["crates"] }) as object,
      }),
    ]);
    expect(result.structuredContent).toMatchObject({ answer: { approved: true, values: { crates: 3 } } });
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: "decline" }));
    const rejected = await call(client, "asks", {});
    expect([rejected.isError, textOf(rejected)]).toEqual([true, expect.stringContaining("rejected")]);
  });

  it("waits for its person's answer no longer once somebody else has decided", async () => {
    const client = await connect("operator", { elicits: true });
    let isAsked = false;
    client.setRequestHandler(ElicitRequestSchema, async (_request, { signal }) => {
      isAsked = true;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      return { action: "cancel" as const };
    });
    const answered = call(client, "asks", {});
    await eventually("the question", () => isAsked);
    const { id } = await harness.platform
      .knex("workflow_runs")
      .where("workflow_name", "asks")
      .orderBy("id", "desc")
      .first();
    const path = `/api/v1/workflow-runs/${id}/steps/ask/approve`;
    const decided = await harness.request({ method: "POST", path, body: { values: { crates: 5 } } });
    expect(decided.status).toBe(200);
    expect((await answered).structuredContent).toMatchObject({ answer: { values: { crates: 5 } } });
  }, 30_000);

  it("diagnoses, validates and applies", async () => {
    const client = await connect("editor");
    const broken = { steps: [{ id: "x", uses: "mcp:none@1.0.0" }] };
    const verdict = await call(client, "validate_definition", { definition: broken });
    expect(verdict.structuredContent).toMatchObject({ valid: false, errors: [{ path: "/steps/0/uses" }] });
    expect(textOf(await call(client, "apply_workflow", { name: "made", definition: broken }))).toContain(
      "/definition/steps/0/uses",
    );
    const code =
      "import sys\ndef main():\n    print('about to fail')\n    raise ValueError('no such crate')\n";
    const version = { version: "1.0.0", config: { type: "python_script", code } };
    await call(client, "apply_component", { name: "failing", mcpType: "python_script", version });
    const definition = { steps: [{ id: "boom", uses: "mcp:failing@1.0.0" }] };
    const made = await call(client, "apply_workflow", { name: "made", definition });
    expect(made.structuredContent).toMatchObject({ name: "made", publishedVersion: 1 });
    const again = await call(client, "apply_workflow", { name: "made", definition, description: "d" });
    expect(again.structuredContent).toMatchObject({ publishedVersion: 1, description: "d" });
    const started = await call(client, "start_run", { workflow: "made" });
    const runId = (started.structuredContent as { id: string }).id;
    const followed = await call(client, "follow_run", { runId });
    expect(followed.structuredContent).toMatchObject({ status: "failed" });
    const found = await call(client, "diagnose_run", { runId });
    expect(found.structuredContent).toMatchObject({
      run: { status: "failed" },
      steps: [{ stepId: "boom", status: "failed", error: { code: "script_error" } }],
    });
    expect(textOf(found)).toContain("stdout: about to fail");
    expect(textOf(found)).toContain("no such crate");
  });

  it("hands out files as resources, and large outputs by a link", async () => {
    const client = await connect("editor");
    const code =
      "import os\ndef main():\n    os.makedirs('artifacts', exist_ok=True)\n    open('artifacts/note.txt', 'w').write('hello')\n    return {'big': 'x' * 300000}\n";
    const version = { version: "1.0.0", config: { type: "python_script", code } };
    await call(client, "apply_component", { name: "big", mcpType: "python_script", version });
    await call(client, "apply_workflow", {
      name: "large",
      definition: { tool: true, steps: [{ id: "only", uses: "mcp:big@1.0.0" }] },
    });
    const result = await call(client, "large", {});
    const link = result.content.find((part) => part.type === "resource_link");
    const { contents } = await client.readResource({ uri: link?.uri ?? "" });
    expect(String(contents[0] && "text" in contents[0] ? contents[0].text : "").length).toBeGreaterThan(
      300_000,
    );
    expect(textOf(result).length).toBeLessThan(110_000);
    const runId = String(result._meta?.["headrace/runId"]);
    const files = (await call(client, "list_artifacts", { runId })).structuredContent as {
      items: { id: string; name: string; uri: string }[];
    };
    const note = files.items.find((file) => file.name.endsWith("note.txt"));
    const read = await call(client, "read_artifact", { artifactId: note?.id });
    expect(read.content[0]).toMatchObject({ type: "resource", resource: { text: "hello" } });
    await expect(client.readResource({ uri: "file:///etc/passwd" })).rejects.toThrow("no such resource");
  });
});
