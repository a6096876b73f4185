import { type DemoCall, waitForEnd } from "./console-demo.js";
import {
  type LlmServer,
  type Reply,
  sendChunk,
  openStream,
  streamCalls,
  streamText,
  TEST_KEY,
} from "./llm-server.js";

const CHART = `
import struct, zlib

def png(width, height, colour_at):
    rows = b"".join(
        b"\\0" + b"".join(bytes(colour_at(x, y)) for x in range(width)) for y in range(height)
    )
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\\x89PNG\\r\\n\\x1a\\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")

HEIGHTS = [34, 52, 41, 66, 78, 71, 93, 110]

def bar(x, y):
    inside = x % 40 > 8 and 130 - y < HEIGHTS[min(x // 40, 7)]
    return (61, 99, 221) if inside else (247, 248, 250)

chart = png(320, 130, bar)
`.trim();

const WRITE_FILES = `
import os
${CHART}

PAGE = """<!doctype html><title>Report</title><style>body { font: 15px sans-serif; color: #234 }</style>
<h1>Revenue by region</h1><p>Rose by <b>4 %</b> in the north.</p><script>document.title = "ran"; parent.document.title = "ran"</script>"""

def main():
    os.makedirs("artifacts", exist_ok=True)
    def write(name, content):
        with open(f"artifacts/{name}", "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
    write("1-chart.png", chart)
    write("2-totals.csv", "region,orders,note\\nnorth,402,\\"best, so far\\"\\nsouth,388,\\nislands,97,<b>few</b>\\n")
    write("3-report.html", PAGE)
    write("4-summary.json", '{"rows": 3, "best": "north"}')
    write("5-notes.md", "# Notes\\n\\nThe islands report late.\\n")
    write("6-model.bin", bytes(range(256)) * 8)
    return {"files": 6}
`;

const TABLE = `
class Table:
    def __init__(self, rows):
        self.rows = rows
    def __repr__(self):
        return "\\n".join(f"{name:<10}{orders:>6}" for name, orders in self.rows)
    def _repr_html_(self):
        rows = "".join(f"<tr><td>{name}</td><td>{orders}</td></tr>" for name, orders in self.rows)
        return f"<table><thead><tr><th>region</th><th>orders</th></tr></thead>{rows}</table><script>parent.document.title = 'ran'</script>"

Table([("north", 402), ("south", 388), ("islands", 97)])
`.trim();

const NOTEBOOK = {
  type: "jupyter_notebook",
  cells: [
    { cellType: "markdown", source: "# Orders by region\n\nThe last **eight** weeks, by *week*." },
    { cellType: "code", source: "weeks = 8", tags: ["parameters"] },
    {
      cellType: "code",
      source:
        "import time\nfor week in range(weeks):\n    print(f'week {week + 1} read')\n    time.sleep(0.1)",
    },
    { cellType: "code", source: TABLE },
    { cellType: "code", source: `${CHART}\nfrom IPython.display import Image\nImage(chart)` },
    { cellType: "code", source: "import time; time.sleep(pause)\noutputs = {'weeks': weeks}\noutputs" },
  ],
};

/** Runs whose steps have more to show than a log. */
export interface RunDemo {
  readonly files: string;
  readonly notebook: string;
  readonly prompt: string;
  readonly broken: string;
}

/** Pieces of a model's answer, told slowly enough to be watched. */
const ANSWER = [
  ...["The north ", "leads with ", "402 orders; ", "the south ", "follows with 388.\n\n"],
  ...["The islands ", "(97) report ", "late: ", "their number ", "will grow."],
];

/** Says a text, piece by piece, after having asked for a tool. */
export function answersWithTool(tool: string, pauseMs: number): readonly Reply[] {
  return [
    streamCalls([{ id: "call_1", name: tool, arguments: '{"region": "islands"}' }], {
      input: 214,
      output: 18,
    }),
    streamText(ANSWER, { pauseMs, tokens: { input: 262, output: 47 } }),
  ];
}

/** Begins an answer and ends it when told to. */
export function answersUntil(text: string, end: Promise<void>): Reply {
  return async (response) => {
    openStream(response);
    for (const piece of text.match(/.{1,12}/gs) ?? []) sendChunk(response, { content: piece });
    await end;
    sendChunk(response, { content: " And that is all." });
    sendChunk(response, {}, { finish: "stop" });
    sendChunk(response, {}, { usage: { prompt_tokens: 30, completion_tokens: 9 } });
    response.end("data: [DONE]\n\n");
  };
}

/** Adds the components and workflows of these runs: `files`, `notebook`, `prompt`, `broken`. */
export async function addRunDemo(call: DemoCall, llm: LlmServer): Promise<void> {
  await call("POST", "/api/v1/llm-providers", {
    ...{ name: "local", baseUrl: llm.baseUrl, apiKey: TEST_KEY },
    models: [{ name: "test-model", inputPricePerMillion: 2.5, outputPricePerMillion: 10 }],
  });
  const add = async (name: string, config: object, inputs?: object) => {
    const inputSchema = inputs && { type: "object", properties: inputs, required: Object.keys(inputs) };
    await call("POST", "/api/v1/mcp-definitions", {
      ...{ name, mcpType: (config as { type: string }).type },
      version: { version: "1.0.0", config, ...(inputSchema && { inputSchema }) },
    });
  };
  const script = (code: string) => ({ type: "python_script", code: code.trimStart() });
  await add("write-files", script(WRITE_FILES), {});
  await add("orders-notebook", NOTEBOOK, { pause: { type: "number" } });
  await add("greet", script("def main(region):\n    return {'greeting': f'Hello, {region}'}\n"));
  const lookUp = "def main(region):\n    return {'region': region, 'orders': 97, 'isLate': True}\n";
  await add("look-up", script(lookUp), { region: { type: "string" } });
  await add(
    "comment",
    {
      ...{ type: "llm_prompt", model: "test-model", provider: "local", tools: ["mcp:look-up@1.0.0"] },
      ...{ systemPrompt: "You are terse.", userPromptTemplate: "Comment on these orders:\n{{ table }}" },
    },
    { table: { type: "string" } },
  );
  const define = async (name: string, steps: object[], inputs?: object) =>
    await call("POST", "/api/v1/workflow-definitions", {
      name,
      definition: { steps, ...(inputs && { inputs }) },
    });
  await define("files", [{ id: "write", uses: "mcp:write-files@1.0.0" }]);
  await define(
    "notebook",
    [{ id: "analyse", uses: "mcp:orders-notebook@1.0.0", inputs: { pause: { input: "/pause" } } }],
    { type: "object", properties: { pause: { type: "number", default: 0 } } },
  );
  const table = "north 402, south 388, islands 97";
  await define("prompt", [{ id: "comment", uses: "mcp:comment@1.0.0", inputs: { table: { value: table } } }]);
  await define("broken", [
    { id: "orders", uses: "builtin:noop", inputs: { rows: { value: [1, 2, 3] } } },
    { id: "greet", uses: "mcp:greet@1.0.0", dependsOn: ["orders"], inputs: { regon: { value: "north" } } },
  ]);
}

/** Runs each of {@link addRunDemo} to its end. */
export async function runRunDemo(call: DemoCall, llm: LlmServer): Promise<RunDemo> {
  llm.reply(...answersWithTool("look-up", 20));
  const run = async (workflow: string, input: object = {}) => {
    const id = String((await call("POST", "/api/v1/workflow-runs", { workflow, input }))["id"]);
    await waitForEnd(call, id);
    return id;
  };
  return {
    files: await run("files"),
    notebook: await run("notebook", { pause: 0 }),
    prompt: await run("prompt"),
    broken: await run("broken"),
  };
}
