import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { MCP_TYPES } from "../../src/executors/types.js";
import { type CopilotWorld, ofKind, patched, startCopilotWorld } from "../support/copilot-world.js";

let world: CopilotWorld;

const SCHEMAS: readonly (readonly [string, object, unknown, object])[] = [
  [
    "types by other names",
    { type: "dict", properties: { n: { type: "int" } } },
    undefined,
    { type: "object", properties: { n: { type: "integer" } } },
  ],
  [
    "required in its property, and nullable",
    { properties: { n: { type: "number", nullable: true, required: true } } },
    undefined,
    { type: "object", properties: { n: { type: ["number", "null"] } }, required: ["n"] },
  ],
  [
    "a sample that is too wide",
    {
      type: "object",
      properties: { n: { type: "integer" } },
      required: ["n", "m"],
      additionalProperties: false,
    },
    { n: "five", k: true },
    {
      type: "object",
      properties: { n: { type: ["integer", "string"] }, k: { type: "boolean" } },
      required: ["n"],
      additionalProperties: false,
    },
  ],
  [
    "nothing but a sample",
    {},
    { n: 1 },
    { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
  ],
];

describe("the copilot on components, schemas and prompts, without a model", () => {
  beforeAll(async () => {
    world = await startCopilotWorld();
    const rows = { type: "object", properties: { rows: { type: "array" } }, required: ["rows"] };
    await world.addMcp("sales-extract", {
      outputSchema: rows,
      inputSchema: { type: "object", properties: { day: { type: "string" } }, required: ["day"] },
    });
    await world.addMcp("report-writer", { inputSchema: rows });
  });
  afterAll(async () => await world.close());

  it("mends a configuration with faults, and offers nothing that leaves one", async () => {
    const config = { code: "x = 1", time_out_seconds: 60, timeoutSeconds: "60", memoryMb: "512", surely: 1 };
    const answer = await world.ask("component-config", { mcpType: "python_script", config });
    const [mending] = ofKind(answer, "invalid-config");
    expect(patched(config, mending ?? {})).toEqual({
      type: "python_script",
      code: "x = 1",
      timeoutSeconds: 60,
      memoryMb: 512,
    });
    const hopeless = await world.ask("component-config", {
      mcpType: "python_script",
      config: { type: "python_script" },
    });
    expect(hopeless.suggestions).toMatchObject([{ kind: "invalid-config", severity: "error" }]);
    expect(hopeless.suggestions[0]?.patch).toBeUndefined();
  });

  it.each<[string, string, object, object]>([
    [
      "missing-requirement",
      "python_script",
      { code: "import os, pandas as pd\nfrom PIL import Image" },
      { code: "import os\nimport json" },
    ],
    [
      "unpinned-requirement",
      "python_script",
      { code: "x = 1", requirements: ["requests"] },
      { code: "x = 1", requirements: ["requests>=2"] },
    ],
    [
      "plain-secret",
      "python_script",
      { code: "x = 1", env: { API_KEY: "abcdef0123456789" } },
      { code: "x = 1", env: { MODE: "fast" } },
    ],
    [
      "unbounded-answer",
      "llm_prompt",
      { model: "m", userPromptTemplate: "hi" },
      { model: "m", userPromptTemplate: "hi", maxTokens: 9 },
    ],
    [
      "syntax-error",
      "typescript_script",
      { code: "export default (a => {" },
      { code: "export default (a: number) => a" },
    ],
    [
      "unpinned-package",
      "mcp_package",
      { transport: { kind: "stdio", command: "npx", args: ["-y", "some-server"] } },
      { transport: { kind: "stdio", command: "npx", args: ["-y", "some-server@1.0.0"] } },
    ],
  ])("finds %s, and not where there is none", async (kind, mcpType, has, lacks) => {
    const ask = async (config: object) =>
      ofKind(await world.ask("component-config", { mcpType, config: { type: mcpType, ...config } }), kind);
    const [found] = await ask(has);
    expect(found).toBeDefined();
    expect(JSON.stringify(found)).not.toContain("abcdef0123456789");
    expect(await ask(lacks)).toEqual([]);
  });

  it("names the packages that imports come from", async () => {
    const config = { type: "python_script", code: "import os, pandas as pd\nfrom PIL import Image" };
    const answer = await world.ask("component-config", { mcpType: "python_script", config });
    expect(ofKind(answer, "missing-requirement")[0]).toMatchObject({
      patch: [{ op: "add", path: "/requirements", value: ["pandas", "Pillow"] }],
      requiresReview: true,
    });
  });

  it("refuses types that there are not", async () => {
    const answer = await world.request({
      method: "POST",
      path: "/api/v1/copilot/component-config",
      body: { mcpType: "fortran", config: {} },
    });
    expect([answer.status, answer.body["errors"]]).toMatchObject([422, [{ path: "/mcpType" }]]);
  });

  it.each(SCHEMAS)("repairs a schema with %s", async (_name, schema, sample, wanted) => {
    const answer = await world.ask("schema-repair", { schema, ...(sample === undefined ? {} : { sample }) });
    const found = answer.suggestions.filter((one) => one.patch);
    expect(found.map((one) => patched(schema, one))).toContainEqual(wanted);
  });

  it("has nothing to say of a schema that is good", async () => {
    const answer = await world.ask("schema-repair", { schema: { type: "object" }, sample: { x: 1 } });
    expect(answer.suggestions).toEqual([]);
    expect(answer.modelOutcome).toMatchObject({
      state: "not_configured",
      detail: expect.stringContaining("OPENAI_API_KEY") as unknown,
    });
  });

  it.each(MCP_TYPES)("gives code of a %s that can be stored", async (mcpType) => {
    const answer = await world.ask("code-snippet", {
      mcpType,
      prompt: 'Say "hello" {{ to }} everybody */ """',
    });
    const [template] = ofKind(answer, "template");
    expect(template?.code).toBeTruthy();
    const body = {
      name: `made-${mcpType.replaceAll("_", "-")}`,
      mcpType,
      version: { version: "1.0.0", config: template?.config },
    };
    expect((await world.request({ method: "POST", path: "/api/v1/mcp-definitions", body })).status).toBe(201);
  });

  it("finds examples in the registry", async () => {
    const answer = await world.ask("code-snippet", { mcpType: "python_script", prompt: "extracting sales" });
    expect(ofKind(answer, "registry-example")[0]).toMatchObject({
      title: expect.stringContaining("sales-extract") as unknown,
    });
  });

  it.each([
    "Extract the sales of a day, then have the report writer write a report",
    "do something nice",
    "approve, then notify slack",
  ])("drafts workflows that can be stored: %s", async (prompt) => {
    const answer = await world.ask("generate-workflow", { prompt });
    expect(answer.suggestions.length).toBeGreaterThan(0);
    for (const [at, { definition }] of answer.suggestions.entries()) {
      const body = { name: `drafted-${prompt.length}-${at}`, definition };
      const made = await world.request({ method: "POST", path: "/api/v1/workflow-definitions", body });
      expect([made.status, made.text.slice(0, 300)]).toEqual([201, expect.anything()]);
    }
  });

  it("chains components by what they give and take", async () => {
    const answer = await world.ask("generate-workflow", { prompt: "extract sales and write a report" });
    expect(ofKind(answer, "registry-template")[0]?.definition).toEqual({
      inputs: { type: "object", properties: { day: { type: "string" } }, required: ["day"] },
      steps: [
        { id: "sales-extract", uses: "mcp:sales-extract@1.0.0", inputs: { day: { input: "/day" } } },
        {
          id: "report-writer",
          uses: "mcp:report-writer@1.0.0",
          inputs: { rows: { step: "sales-extract", output: "/rows" } },
        },
      ],
    });
  });

  it("refuses who asks too often", async () => {
    const strict = await startCopilotWorld({ COPILOT_CALLS_PER_MINUTE: "2" });
    try {
      const ask = async () =>
        await strict.request({ method: "POST", path: "/api/v1/copilot/schema-repair", body: { schema: {} } });
      expect([(await ask()).status, (await ask()).status]).toEqual([200, 200]);
      const refused = await ask();
      expect(refused.status).toBe(429);
      expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
    } finally {
      await strict.close();
    }
  });
});
