import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { newId } from "../../src/core/ids.js";
import { expectRefusal, faultPaths, itHolds, type MatrixRow, post } from "../support/matrix-rows.js";
import { type MatrixWorld, startMatrixWorld } from "../support/matrix-world.js";

let world: MatrixWorld;
const PATH = "/mcp-definitions";
const MEBIBYTE = 1024 ** 2;
const CODE = "def main():\n    return 1\n";
const fresh = () => `m-${newId()}`;

type Config = { readonly type: string } & Readonly<Record<string, unknown>>;

/** A component whose first version has this configuration. */
function configured(name: string, config: Config, status: MatrixRow["status"], ...paths: string[]): MatrixRow {
  return versioned(name, { mcpType: config.type, version: { version: "1.0.0", config } }, status, ...paths);
}
function versioned(name: string, body: object, status: MatrixRow["status"], ...paths: string[]): MatrixRow {
  return post(name, [PATH, { name: fresh(), ...body }], status, ...paths);
}
const at = (...names: string[]) => `/version/config/${names.join("/")}`;
const script = (more: object): Config => ({ type: "python_script", code: CODE, ...more });
const typescript = (more: object): Config => ({ type: "typescript_script", code: "1", ...more });
const prompt = (more: object): Config => ({
  type: "llm_prompt",
  model: "m",
  userPromptTemplate: "x",
  ...more,
});
const notebook = (more: object): Config => ({ type: "jupyter_notebook", ...more });
const app = (more: object): Config => ({ type: "streamlit_app", ...more });
const http = (url: string, headers?: object): Config => ({
  type: "mcp_package",
  transport: { kind: "http", url, ...(headers ? { headers } : {}) },
});
const schema = (inputSchema: object) => ({
  mcpType: "python_script",
  version: { version: "1.0.0", config: script({}), inputSchema },
});

const NAMES: readonly MatrixRow[] = [
  ...["A", "1abc", "a", "a b", "a".repeat(64), "con", "nul", "aux", "com1", "lpt9", "аbc", "ａbc", "a_b", "-ab"],
  ...["", " ab", "ab\n", "ab\u200b", "../x", "a/b", "a.b", "ab%00", "__proto__", "a\u0301b"],
]
  .map((name) => post(`33 the name ${JSON.stringify(name)}`, [PATH, { name, mcpType: "python_script" }], 422, "/name"))
  .concat([1, null, true, ["ab"], { $ne: 1 }].map((name) =>
    post(`33 the name ${JSON.stringify(name)}, no text`, [PATH, { name, mcpType: "python_script" }], 422, "/name"),
  ));

const TYPES: readonly MatrixRow[] = [
  ...["bash", "", "PYTHON_SCRIPT", "python_script ", "__proto__", "constructor", "toString", 1, null].map((mcpType) =>
    post(`35 the type ${JSON.stringify(mcpType)}`, [PATH, { name: fresh(), mcpType }], 422, "/mcpType"),
  ),
  ...["1.2", "v1.0.0", "01.0.0", "1.0.0-", "1", "1.0.0.0", "1.0.0-01", "1.0.0+", "latest", "^1.0.0", "1.0.x", " 1.0.0"].map(
    (version) =>
      versioned(`36 the version ${version}`, { mcpType: "python_script", version: { version, config: script({}) } }, 422, "/version/version"),
  ),
  versioned("37 the type of the other", { mcpType: "python_script", version: { version: "1.0.0", config: typescript({}) } }, 422, at("type")),
  configured("37 an unknown field", script({ foo: 1 }), 422, at("foo")),
  configured("37 a field of another type", script({ model: "x" }), 422, at("model")),
  versioned("37 no configuration", { mcpType: "python_script", version: { version: "1.0.0" } }, 422, "/version/config"),
  versioned("37 a list for a configuration", { mcpType: "python_script", version: { version: "1.0.0", config: [] } }, 422),
  ...[0, -1, 1e9, "60", null, 1.5, true, [60]].map((timeoutSeconds) =>
    configured(`38 timeoutSeconds ${JSON.stringify(timeoutSeconds)}`, script({ timeoutSeconds }), 422, at("timeoutSeconds")),
  ),
  ...[1, 1e6, 0, -64, "1024", 100.5].map((memoryMb) =>
    configured(`38 memoryMb ${JSON.stringify(memoryMb)}`, script({ memoryMb }), 422, at("memoryMb")),
  ),
];

const SCRIPTS: readonly MatrixRow[] = [
  ...["LD_PRELOAD", "ld_preload", "LD_LIBRARY_PATH", "NODE_OPTIONS", "PYTHONPATH", "PYTHONSTARTUP", "MCP_INPUTS"],
  ...["PATH", "BASH_ENV", "HEADRACE_TOKEN", "A=B", "", "1A", "A B", "A\u0000B", "__proto__\n", "NODE_PATH", "GIT_SSH_COMMAND"],
  ...["PERL5OPT", "PERL5LIB", "RUBYOPT", "JAVA_TOOL_OPTIONS", "GIT_CONFIG_GLOBAL", "SSL_CERT_FILE\r", "DYLD_INSERT_LIBRARIES"],
]
  .map((name) => configured(`39 env ${JSON.stringify(name)}`, script({ env: { [name]: "x" } }), 422))
  .concat(
    [1, null, {}, "a\u0000b"].map((value) =>
      configured(`39 env with the value ${JSON.stringify(value)}`, script({ env: { A: value } }), 422),
    ),
    [
      ...["--index-url http://evil", "-r /etc/passwd", "git+file:///", "pkg; import os", "../x.whl", "./x", "/x"],
      ...["pkg @ http://evil/x.whl", "http://evil/x.whl", "pkg\n--pre", "-e .", "pkg --hash=x", "pkg==1 --pre", ""],
      ...["git+https://evil/x", "pkg;python_version<'3'\n-r x", "$(id)", "pkg`id`", "pkg|id", "file:x", "-pkg", " pkg"],
    ].map((requirement) =>
      configured(`40 Python's ${JSON.stringify(requirement)}`, script({ requirements: [requirement] }), 422, at("requirements", "0")),
    ),
    [
      ...["git+file:///x", "file:../x", "http://evil/x.tgz", "--registry=http://evil", "-g", "a b", "../x", "/x", "x@file:/y"],
      ...["x@npm:evil@1", "github:evil/x", "evil/x", "x@git+https://evil/x", "x@http://evil", "", "x;id", "x@latest && id"],
    ].map((requirement) =>
      configured(`40 npm's ${JSON.stringify(requirement)}`, typescript({ requirements: [requirement] }), 422, at("requirements", "0")),
    ),
    [
      configured("41 code of 5 MiB", script({ code: "x".repeat(5 * MEBIBYTE) }), [413, 422]),
      configured("41 no code", script({ code: "" }), 422, at("code")),
      configured("41 NUL in code", script({ code: "a\u0000b" }), 422),
      configured("41 code that is no text", script({ code: ["x"] }), 422, at("code")),
    ],
  );

const SCHEMAS: readonly MatrixRow[] = [
  versioned("a schema that is none", schema({ type: "nope" }), 422),
  versioned("a schema with a reference to a file", schema({ $ref: "file:///etc/passwd" }), 422),
  versioned("a schema with a reference to a host", schema({ $ref: "http://169.254.169.254/x" }), 422),
  versioned("a schema with a reference to another host", schema({ properties: { a: { $ref: "//evil/x" } } }), 422),
  versioned("a schema whose pattern is none", schema({ type: "string", pattern: "(" }), 422),
  versioned("a schema that is deep", schema(nest(80)), 422),
];

/** A schema in a schema, so many levels deep; longer than what is read. */
function nest(depth: number): object {
  let inner: object = { type: "object" };
  for (let level = 0; level < depth; level += 1) inner = { properties: { a: inner }, "x-fault": 1, type: "nope" };
  return inner;
}

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
  configured("45 a template that is none", prompt({ userPromptTemplate: "{% if %}" }), 422, at("userPromptTemplate")),
  configured("45 a template that reads a file", prompt({ userPromptTemplate: '{% include "package.json" %}' }), 422),
  configured("45 a template that renders a file", prompt({ userPromptTemplate: "{% render '/etc/passwd' %}" }), 422),
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
  configured("47 nbformat 3", notebook({ notebook: { nbformat: 3, cells: [] } }), 422, at("notebook", "nbformat")),
  configured("47 no cells", notebook({ notebook: { nbformat: 4 } }), 422, at("notebook", "cells")),
  configured("47 nothing", notebook({}), 422),
  configured("47 both ways", notebook({ notebook: { nbformat: 4, cells: [] }, cells: [{ cellType: "code", source: "1" }] }), 422),
  {
    name: "47 50 MiB",
    request: {
      method: "POST",
      path: `/api/v1${PATH}`,
      headers: { "content-type": "application/json" },
      body: Buffer.alloc(50 * MEBIBYTE, "x"),
    },
    status: 413,
  },
  configured("47 a cell of 2 MiB", notebook({ notebook: { nbformat: 4, cells: cells("x".repeat(2 * MEBIBYTE)) } }), 422),
  configured("47 an unknown kind of cell", notebook({ notebook: { nbformat: 4, cells: [{ cell_type: "shell", source: "id" }] } }), 422),
  configured("47 a kernel that is a path", notebook({ cells: [{ cellType: "code", source: "1" }], kernel: "../x" }), 422, at("kernel")),
  configured("47 a parameter that is no name", notebook({ cells: [{ cellType: "code", source: "1" }], parameters: { "a;b": 1 } }), 422),
];

const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`f${index}.py`, ""]));
const APPS: readonly MatrixRow[] = [
  ...["ext::sh -c id", "EXT::sh -c id", "file:///etc", "-u x", "--upload-pack=id", "https://u:p@h/x", "ssh://h/x"],
  ...["http://169.254.169.254/", "git://h/x", "https://169.254.169.254/x", "https://127.0.0.1/x", "h:x", "/etc", ""],
  ...["https://[::1]/x", "https://localhost/x", "https://0x7f000001/x", "https://u@h/x", "fd::17/x", "https:///x", "HTTP://h/x"],
]
  .map((gitRepoUrl) =>
    configured(`48 the repository ${JSON.stringify(gitRepoUrl)}`, app({ gitRepoUrl }), 422, at("gitRepoUrl")),
  )
  .concat(
    [
      ...["../x", "/etc/x", "a/../../b", "a\\..\\b", ".git/hooks/post-checkout", "a/.git/config", ".GIT/config", "a//b", ""],
      ...["./x", "a/./b", "a\u0000b", "a\nb", "x".repeat(300), "..", ".", "a/..", "C:\\x\\..\\y"],
    ].map((path) =>
      configured(`49 the file ${JSON.stringify(path.slice(0, 40))}`, app({ files: { "app.py": "", [path]: "" } }), 422),
    ),
    [
      configured("49 10,000 files", app({ files: { "app.py": "", ...many } }), 422, at("files")),
      configured("49 no files", app({ files: {} }), 422, at("files")),
      configured("49 a file that is no text", app({ files: { "app.py": { filepath: "/etc/passwd" } } }), 422),
      ...["../app.py", "/app.py", "app.sh", "other.py", "a/../app.py"].map((mainScriptPath) =>
        configured(`49 the main script ${mainScriptPath}`, app({ files: { "app.py": "" }, mainScriptPath }), 422, at("mainScriptPath")),
      ),
    ],
  );

const HTTP: readonly MatrixRow[] = [
  ...["http://[::ffff:127.0.0.1]:5432", "http://127.1/", "file:///etc/passwd", "gopher://x/", "http://u:p@example.com/", "ftp://example.com/"],
  ...["http://metadata.google.internal/", "http://localhost./", "//evil/x", "javascript:alert(1)", "http://", ""],
]
  .map((url) => configured(`52 the URL ${JSON.stringify(url)}`, http(url), 422, at("transport", "url")))
  .concat(
    ["Host", "host", "X\r\nY", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "", "a b", "Proxy-Authorization"].map(
      (name) => configured(`52 the header ${JSON.stringify(name)}`, http("https://example.com/", { [name]: "x" }), 422),
    ),
    ["a\r\nb", "a\nSet-Cookie: x", "a\u0000b"].map((value) =>
      configured(`52 the header's value ${JSON.stringify(value)}`, http("https://example.com/", { "X-A": value }), 422),
    ),
    [
      configured("52 a transport that is none", { type: "mcp_package", transport: { kind: "websocket", url: "ws://x" } }, 422),
      configured("52 a command that is none", { type: "mcp_package", transport: { kind: "stdio", command: "" } }, 422),
      configured("52 a command's loader", { type: "mcp_package", transport: { kind: "stdio", command: "x", env: { LD_PRELOAD: "x" } } }, 422),
      configured("52 a command that is a list", { type: "mcp_package", transport: { kind: "stdio", command: ["x"] } }, 422),
    ],
  );

const ASSIGNED: readonly MatrixRow[] = ["createdBy", "id", "ownerId", "revision", "versionCount", "isDeprecated", "role"].map(
  (name) => post(`mass assignment of ${name}`, [PATH, { name: fresh(), mcpType: "python_script", [name]: "x" }], 422, `/${name}`),
);

describe("bad inputs: components", () => {
  beforeAll(async () => {
    world = await startMatrixWorld();
  });
  afterAll(async () => {
    await world.close();
  });
  const send = async (request: Parameters<MatrixWorld["send"]>[0]) => await world.send(request);

  describe("names", () => itHolds(NAMES, send));
  describe("types, versions and limits", () => itHolds(TYPES, send));
  describe("scripts", () => itHolds(SCRIPTS, send));
  describe("schemas", () => itHolds(SCHEMAS, send));
  describe("prompts", () => itHolds(PROMPTS, send));
  describe("notebooks", () => itHolds(NOTEBOOKS, send));
  describe("apps", () => itHolds(APPS, send));
  describe("packages", () => itHolds(HTTP, send));
  describe("fields that are not the caller's", () => itHolds(ASSIGNED, send));

  it("34 a name is taken once, also by many at once", async () => {
    const body = { name: fresh(), mcpType: "python_script" };
    const answers = await Promise.all(
      [1, 2, 3, 4].map(async () => await world.send({ method: "POST", path: `/api/v1${PATH}`, body })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
  });

  it("36 a version is taken once, whatever its build metadata", async () => {
    const path = `/api/v1${PATH}/${world.component.id}/versions`;
    for (const version of ["1.0.0", "1.0.0+build.7", "1.0.0+other"]) {
      const request = { method: "POST", path, body: { version, config: script({}) } };
      expectRefusal(request, await world.send(request), { status: 409 });
    }
  });

  it("54 a definition in use stays, a version is deprecated once or twice, a stale change is refused", async () => {
    const { name, id } = world.component;
    const used = `u-${newId()}`;
    await world.make("/workflow-definitions", {
      name: used,
      definition: { steps: [{ id: "a", uses: `mcp:${name}@1.0.0`, inputs: { date: { value: "x" } } }] },
    });
    const remove = { method: "DELETE", path: `/api/v1${PATH}/${id}` };
    const answer = await world.send(remove);
    expectRefusal(remove, answer, { status: 409 });
    expect(answer.text).toContain(used);
    const other = await world.make(PATH, {
      name: fresh(),
      mcpType: "python_script",
      version: { version: "1.0.0", config: script({}) },
    });
    const { body } = await world.send({ path: `/api/v1${PATH}/${other["id"]}/versions` });
    const [version] = body["items"] as unknown as { id: string }[];
    const deprecate = { method: "POST", path: `/api/v1/mcp-versions/${version?.id}/deprecate` };
    expect((await world.send(deprecate)).status).toBe(200);
    expect([200, 409]).toContain((await world.send(deprecate)).status);
    const patch = async (match?: string) => {
      const headers: Record<string, string> = match === undefined ? {} : { "if-match": match };
      const request = { method: "PATCH", path: remove.path, body: { description: "x" }, headers };
      const { status } = await world.send(request);
      return status;
    };
    expect(await patch('"0"')).toBe(412);
    expect(await patch()).toBe(200);
    expect(await patch("*")).toBe(200);
    for (const match of ["abc", '"abc"', "W/", '""', '"-1"', '"1.5"']) expect([match, await patch(match)]).toEqual([match, 422]);
  });

  it("nothing is started, called or written by what was refused, saved or shown", async () => {
    const witness = join(tmpdir(), `headrace-${newId()}`);
    const args = ["-c", `open(${JSON.stringify(witness)}, "w")`];
    const config = { type: "mcp_package", transport: { kind: "stdio", command: "python3", args } };
    const made = await world.make(PATH, { name: fresh(), mcpType: "mcp_package", version: { version: "1.0.0", config } });
    await world.send({ path: `/api/v1${PATH}/${made["id"]}/versions` });
    expect(existsSync(witness)).toBe(false);
    const rows = await world.platform.knex("mcp_definitions").where("name", "like", "m-%").count({ count: "*" });
    // 34's one, 54's other one and this one: no refused row is there
    expect(Number(rows[0]?.["count"])).toBe(3);
  });

  it("names every fault at once", async () => {
    const request = post("", [PATH, { name: "A", mcpType: "python_script", x: 1, version: { version: "1", config: script({ memoryMb: 1, timeoutSeconds: 0 }) } }], 422).request as never;
    const paths = faultPaths(await world.send(request));
    expect(paths).toEqual(expect.arrayContaining(["/name", "/x"]));
  });
});
