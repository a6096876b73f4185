import { afterAll, beforeAll, describe } from "@jest/globals";
import { at, COMPONENTS, configured, type SentConfig } from "../support/matrix-components.js";
import { itHolds, type MatrixRow } from "../support/matrix-rows.js";
import { type MatrixWorld, startMatrixWorld } from "../support/matrix-world.js";

let world: MatrixWorld;
const MEBIBYTE = 1024 ** 2;

const prompt = (more: object): SentConfig => ({
  type: "llm_prompt",
  model: "m",
  userPromptTemplate: "x",
  ...more,
});
const notebook = (more: object): SentConfig => ({ type: "jupyter_notebook", ...more });
const app = (more: object): SentConfig => ({ type: "streamlit_app", ...more });
const http = (url: string, headers?: object): SentConfig => ({
  type: "mcp_package",
  transport: { kind: "http", url, ...(headers ? { headers } : {}) },
});

const PROMPTS: readonly MatrixRow[] = [
  configured("45 no model", prompt({ model: "" }), 422, at("model")),
  configured("45 temperature 99", prompt({ temperature: 99 }), 422, at("temperature")),
  configured("45 maxTokens -5", prompt({ maxTokens: -5 }), 422, at("maxTokens")),
  configured("45 topP 2", prompt({ topP: 2 }), 422, at("topP")),
  configured(
    "45 a schema that is none",
    prompt({ responseFormat: { type: "json_schema", schema: { type: "nope" } } }),
    422,
    at("responseFormat", "schema", "type"),
  ),
  configured("45 an unknown format", prompt({ responseFormat: { type: "xml" } }), 422),
  configured("45 an unknown tool", prompt({ tools: ["mcp:none@1.0.0"] }), 422, at("tools", "0")),
  configured("45 a tool that is no tool", prompt({ tools: ["mcp:none@1"] }), 422, at("tools", "0")),
  configured("45 maxToolRounds 1e6", prompt({ maxToolRounds: 1e6 }), 422, at("maxToolRounds")),
  configured(
    "45 all at once",
    prompt({ model: "", temperature: 99, maxTokens: -5, topP: 2, maxToolRounds: 1e6, provider: "http://x" }),
    422,
    ...["model", "temperature", "maxTokens", "topP", "maxToolRounds", "provider"].map((name) => at(name)),
  ),
  configured(
    "45 a template that is none",
    prompt({ userPromptTemplate: "{% if %}" }),
    422,
    at("userPromptTemplate"),
  ),
  configured(
    "45 a template that reads a file",
    prompt({ userPromptTemplate: '{% include "package.json" %}' }),
    422,
  ),
  configured(
    "45 a template that renders a file",
    prompt({ userPromptTemplate: "{% render '/etc/passwd' %}" }),
    422,
  ),
  configured("45 a template with a layout", prompt({ userPromptTemplate: '{% layout ".env" %}' }), 422),
  ...["http://127.0.0.1:6379", "https://evil", "../x", "A", "x.y", ""].map((provider) =>
    configured(`46 the provider ${provider}`, prompt({ provider }), 422, at("provider")),
  ),
  ...["baseUrl", "apiBase", "api_base", "base_url", "apiKey", "headers"].map((name) =>
    configured(`46 ${name}`, prompt({ [name]: "http://127.0.0.1:6379" }), 422, at(name)),
  ),
];

const cells = (source: string) => [{ cell_type: "code", source, metadata: {} }];
const NOTEBOOKS: readonly MatrixRow[] = [
  configured(
    "47 nbformat 3",
    notebook({ notebook: { nbformat: 3, cells: [] } }),
    422,
    at("notebook", "nbformat"),
  ),
  configured("47 no cells", notebook({ notebook: { nbformat: 4 } }), 422, at("notebook", "cells")),
  configured("47 nothing", notebook({}), 422),
  configured(
    "47 both ways",
    notebook({ notebook: { nbformat: 4, cells: [] }, cells: [{ cellType: "code", source: "1" }] }),
    422,
  ),
  {
    name: "47 50 MiB",
    request: {
      method: "POST",
      path: `/api/v1${COMPONENTS}`,
      headers: { "content-type": "application/json" },
      body: Buffer.alloc(50 * MEBIBYTE, "x"),
    },
    status: 413,
  },
  configured(
    "47 a cell of 2 MiB",
    notebook({ notebook: { nbformat: 4, cells: cells("x".repeat(2 * MEBIBYTE)) } }),
    422,
  ),
  configured(
    "47 an unknown kind of cell",
    notebook({ notebook: { nbformat: 4, cells: [{ cell_type: "shell", source: "id" }] } }),
    422,
  ),
  configured(
    "47 a kernel that is a path",
    notebook({ cells: [{ cellType: "code", source: "1" }], kernel: "../x" }),
    422,
    at("kernel"),
  ),
  configured(
    "47 a parameter that is no name",
    notebook({ cells: [{ cellType: "code", source: "1" }], parameters: { "a;b": 1 } }),
    422,
  ),
];

const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`f${index}.py`, ""]));
const APPS: readonly MatrixRow[] = [
  ...[
    "ext::sh -c id",
    "EXT::sh -c id",
    "file:///etc",
    "-u x",
    "--upload-pack=id",
    "https://u:p@h/x",
    "ssh://h/x",
  ],
  ...[
    "http://169.254.169.254/",
    "git://h/x",
    "https://169.254.169.254/x",
    "https://127.0.0.1/x",
    "h:x",
    "/etc",
    "",
  ],
  ...[
    "https://[::1]/x",
    "https://localhost/x",
    "https://0x7f000001/x",
    "https://u@h/x",
    "fd::17/x",
    "https:///x",
    "HTTP://h/x",
  ],
]
  .map((gitRepoUrl) =>
    configured(`48 the repository ${JSON.stringify(gitRepoUrl)}`, app({ gitRepoUrl }), 422, at("gitRepoUrl")),
  )
  .concat(
    [
      ...[
        "../x",
        "/etc/x",
        "a/../../b",
        "a\\..\\b",
        ".git/hooks/post-checkout",
        "a/.git/config",
        ".GIT/config",
        "a//b",
        "",
      ],
      ...["./x", "a/./b", "a\u0000b", "a\nb", "x".repeat(300), "..", ".", "a/..", "C:\\x\\..\\y"],
    ].map((path) =>
      configured(
        `49 the file ${JSON.stringify(path.slice(0, 40))}`,
        app({ files: { "app.py": "", [path]: "" } }),
        422,
      ),
    ),
    [
      configured("49 10,000 files", app({ files: { "app.py": "", ...many } }), 422, at("files")),
      configured("49 no files", app({ files: {} }), 422, at("files")),
      configured("49 a file that is no text", app({ files: { "app.py": { filepath: "/etc/passwd" } } }), 422),
      ...["../app.py", "/app.py", "app.sh", "other.py", "a/../app.py"].map((mainScriptPath) =>
        configured(
          `49 the main script ${mainScriptPath}`,
          app({ files: { "app.py": "" }, mainScriptPath }),
          422,
          at("mainScriptPath"),
        ),
      ),
    ],
  );

const HTTP: readonly MatrixRow[] = [
  ...[
    "http://[::ffff:127.0.0.1]:5432",
    "http://127.1/",
    "file:///etc/passwd",
    "gopher://x/",
    "http://u:p@example.com/",
    "ftp://example.com/",
  ],
  ...[
    "http://metadata.google.internal/",
    "http://localhost./",
    "//evil/x",
    "javascript:alert(1)",
    "http://",
    "",
  ],
]
  .map((url) => configured(`52 the URL ${JSON.stringify(url)}`, http(url), 422, at("transport", "url")))
  .concat(
    [
      "Host",
      "host",
      "X\r\nY",
      "Content-Length",
      "Transfer-Encoding",
      "Connection",
      "Upgrade",
      "",
      "a b",
      "Proxy-Authorization",
    ].map((name) =>
      configured(`52 the header ${JSON.stringify(name)}`, http("https://example.com/", { [name]: "x" }), 422),
    ),
    ["a\r\nb", "a\nSet-Cookie: x", "a\u0000b"].map((value) =>
      configured(
        `52 the header's value ${JSON.stringify(value)}`,
        http("https://example.com/", { "X-A": value }),
        422,
      ),
    ),
    [
      configured(
        "52 a transport that is none",
        { type: "mcp_package", transport: { kind: "websocket", url: "ws://x" } },
        422,
      ),
      configured(
        "52 a command that is none",
        { type: "mcp_package", transport: { kind: "stdio", command: "" } },
        422,
      ),
      configured(
        "52 a command's loader",
        { type: "mcp_package", transport: { kind: "stdio", command: "x", env: { LD_PRELOAD: "x" } } },
        422,
      ),
      configured(
        "52 a command that is a list",
        { type: "mcp_package", transport: { kind: "stdio", command: ["x"] } },
        422,
      ),
    ],
  );

describe("bad inputs: prompts, notebooks, apps and packages", () => {
  beforeAll(async () => {
    world = await startMatrixWorld();
  });
  afterAll(async () => {
    await world.close();
  });
  const send = async (request: Parameters<MatrixWorld["send"]>[0]) => await world.send(request);

  describe("prompts", () => itHolds(PROMPTS, send));
  describe("notebooks", () => itHolds(NOTEBOOKS, send));
  describe("apps", () => itHolds(APPS, send));
  describe("packages", () => itHolds(HTTP, send));
});
