import { setTimeout as sleep } from "node:timers/promises";
import type { Server } from "@modelcontextprotocol/sdk/server/index.js";
import {
  CallToolRequestSchema,
  type CallToolResult,
  CompleteRequestSchema,
  CreateMessageResultSchema,
  ElicitResultSchema,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  McpError,
  type PromptMessage,
  ReadResourceRequestSchema,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import type { McpCall } from "../../src/http/mcp/mcp-endpoint.js";
import type { ToolCall } from "../../src/http/mcp/mcp-tool.js";

const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";
const NO_INPUT = { type: "object" as const, properties: {} };
const text = (words: string) => ({ type: "text" as const, text: words });
const image = { type: "image" as const, data: PNG, mimeType: "image/png" };
const string = { type: "string" as const };

/** Properties of a form that the suite reads: defaults of each type. */
const DEFAULTS = {
  name: { type: "string", default: "John Doe" },
  age: { type: "integer", default: 30 },
  score: { type: "number", default: 95.5 },
  status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
  verified: { type: "boolean", default: true },
};
const titled = (prefix: string, word: string) =>
  ["First", "Second", "Third"].map((title, index) => ({
    const: `${prefix}${index + 1}`,
    title: `${title} ${word}`,
  }));
const ENUMS = {
  untitledSingle: { type: "string", enum: ["option1", "option2", "option3"] },
  titledSingle: { type: "string", oneOf: titled("value", "Option") },
  legacyEnum: {
    type: "string",
    enum: ["opt1", "opt2", "opt3"],
    enumNames: ["Option One", "Option Two", "Option Three"],
  },
  untitledMulti: { type: "array", items: { type: "string", enum: ["option1", "option2", "option3"] } },
  titledMulti: { type: "array", items: { anyOf: titled("value", "Choice") } },
};

type Tool = (input: Record<string, string>, call: ToolCall) => Promise<CallToolResult> | CallToolResult;

async function elicit(call: ToolCall, message: string, properties: object, required?: string[]) {
  const requestedSchema = { type: "object" as const, properties: properties as Record<string, never> };
  const params = { message, requestedSchema: required ? { ...requestedSchema, required } : requestedSchema };
  return await call.extra.sendRequest({ method: "elicitation/create", params }, ElicitResultSchema, {
    timeout: 10_000,
  });
}

async function notify({ extra }: ToolCall, data: string): Promise<void> {
  await extra.sendNotification({ method: "notifications/message", params: { level: "info", data } });
}

/** The tools that the official conformance suite asks for, by its own descriptions. */
const TOOLS: Record<string, Tool> = {
  test_simple_text: () => ({ content: [text("This is a simple text response for testing.")] }),
  test_image_content: () => ({ content: [image] }),
  test_audio_content: () => ({ content: [{ type: "audio", data: WAV, mimeType: "audio/wav" }] }),
  test_embedded_resource: () => ({
    content: [
      {
        type: "resource",
        resource: {
          uri: "test://embedded-resource",
          mimeType: "text/plain",
          text: "This is an embedded resource content.",
        },
      },
    ],
  }),
  test_multiple_content_types: () => ({
    content: [
      text("Multiple content types test:"),
      image,
      {
        type: "resource",
        resource: {
          uri: "test://mixed-content-resource",
          mimeType: "application/json",
          text: '{"test":"data","value":123}',
        },
      },
    ],
  }),
  async test_tool_with_logging(_input, call) {
    await notify(call, "Tool execution started");
    await sleep(50);
    await notify(call, "Tool processing data");
    await sleep(50);
    await notify(call, "Tool execution completed");
    return { content: [text("logged")] };
  },
  test_error_handling: () => ({
    isError: true,
    content: [text("This tool intentionally returns an error for testing")],
  }),
  async test_tool_with_progress(_input, { extra }) {
    const progressToken = extra._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
      if (progressToken !== undefined) {
        const params = { progressToken, progress, total: 100 };
        await extra.sendNotification({ method: "notifications/progress", params });
      }
      await sleep(50);
    }
    return { content: [text("done")] };
  },
  async test_sampling({ prompt = "" }, { extra }) {
    const params = { messages: [{ role: "user" as const, content: text(prompt) }], maxTokens: 100 };
    const request = { method: "sampling/createMessage" as const, params };
    const { content } = await extra.sendRequest(request, CreateMessageResultSchema, { timeout: 10_000 });
    return { content: [text(`LLM response: ${"text" in content ? String(content.text) : ""}`)] };
  },
  async test_elicitation({ message = "" }, call) {
    const properties = {
      username: { type: "string", description: "User's response" },
      email: { type: "string", description: "User's email address" },
    };
    const { action, content } = await elicit(call, message, properties, ["username", "email"]);
    return { content: [text(`User response: action: ${action}, content: ${JSON.stringify(content)}`)] };
  },
  async test_elicitation_sep1034_defaults(_input, call) {
    const { action, content } = await elicit(call, "Defaults", DEFAULTS);
    return { content: [text(`Elicitation completed: action=${action}, content=${JSON.stringify(content)}`)] };
  },
  async test_elicitation_sep1330_enums(_input, call) {
    const { action, content } = await elicit(call, "Enums", ENUMS);
    return { content: [text(`Elicitation completed: action=${action}, content=${JSON.stringify(content)}`)] };
  },
  json_schema_2020_12_tool: () => ({ content: [text("ok")] }),
};

const SCHEMAS: Record<string, object> = {
  test_sampling: { type: "object", properties: { prompt: string }, required: ["prompt"] },
  test_elicitation: { type: "object", properties: { message: string }, required: ["message"] },
  json_schema_2020_12_tool: {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    type: "object",
    $defs: { address: { type: "object", properties: { street: string, city: string } } },
    properties: { name: string, address: { $ref: "#/$defs/address" } },
    additionalProperties: false,
  },
};

const PROMPTS: Record<string, (input: Record<string, string>) => PromptMessage[]> = {
  test_simple_prompt: () => [{ role: "user", content: text("This is a simple prompt for testing.") }],
  test_prompt_with_arguments: ({ arg1, arg2 }) => [
    { role: "user", content: text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`) },
  ],
  test_prompt_with_embedded_resource: ({ resourceUri: uri = "" }) => [
    {
      role: "user",
      content: {
        type: "resource",
        resource: { uri, mimeType: "text/plain", text: "Embedded resource content for testing." },
      },
    },
    { role: "user", content: text("Please process the embedded resource above.") },
  ],
  test_prompt_with_image: () => [
    { role: "user", content: image },
    { role: "user", content: text("Please analyze the image above.") },
  ],
};
const ARGUMENTS: Record<string, string[]> = {
  test_prompt_with_arguments: ["arg1", "arg2"],
  test_prompt_with_embedded_resource: ["resourceUri"],
};

/** What the official conformance suite wants to find on a server, on the machinery that serves `/mcp`. */
export function conformanceFeatures(server: Server, call: McpCall): void {
  server.registerCapabilities({
    tools: {},
    prompts: {},
    resources: { subscribe: true },
    logging: {},
    completions: {},
  });
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: Object.keys(TOOLS).map((name) => ({
      name,
      description: name,
      inputSchema: (SCHEMAS[name] ?? NO_INPUT) as { type: "object" },
    })),
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const tool = TOOLS[params.name];
    if (!tool) throw new McpError(-32_602, `Unknown tool: ${params.name}`);
    return await tool((params.arguments ?? {}) as Record<string, string>, { ...call, extra });
  });
  servePrompts(server);
  serveResources(server);
  server.setRequestHandler(SetLevelRequestSchema, () => ({}));
  server.setRequestHandler(CompleteRequestSchema, () => ({
    completion: { values: ["paris", "park", "party"], total: 3, hasMore: false },
  }));
}

function servePrompts(server: Server): void {
  server.setRequestHandler(ListPromptsRequestSchema, () => ({
    prompts: Object.keys(PROMPTS).map((name) => ({
      name,
      description: name,
      arguments: (ARGUMENTS[name] ?? []).map((argument) => ({ name: argument, required: true })),
    })),
  }));
  server.setRequestHandler(GetPromptRequestSchema, ({ params }) => ({
    messages: PROMPTS[params.name]?.(params.arguments ?? {}) ?? [],
  }));
}

function serveResources(server: Server): void {
  server.setRequestHandler(ListResourcesRequestSchema, () => ({
    resources: ["static-text", "static-binary", "watched-resource"].map((name) => ({
      uri: `test://${name}`,
      name,
    })),
  }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [{ uriTemplate: "test://template/{id}/data", name: "template" }],
  }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }) => {
    const [, id] = /^test:\/\/template\/([^/]+)\/data$/.exec(uri) ?? [];
    if (id !== undefined) {
      const data = { id, templateTest: true, data: `Data for ID: ${id}` };
      return { contents: [{ uri, mimeType: "application/json", text: JSON.stringify(data) }] };
    }
    if (uri === "test://static-binary") return { contents: [{ uri, mimeType: "image/png", blob: PNG }] };
    return {
      contents: [{ uri, mimeType: "text/plain", text: "This is the content of the static text resource." }],
    };
  });
  server.setRequestHandler(SubscribeRequestSchema, () => ({}));
  server.setRequestHandler(UnsubscribeRequestSchema, () => ({}));
}
