import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { createExecutors, createMcpConfigSchema, executorDefinitions, mcpConfigSchema } from "./registry.js";
import { MCP_TYPES } from "./types.js";

/** The pointers of a configuration's faults. */
function faultsOf(config: unknown): string[] {
  const result = mcpConfigSchema.safeParse(config);
  if (result.success) return [];
  return result.error.issues
    .flatMap((issue) =>
      issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...issue.path, key]) : [issue.path],
    )
    .map((path) => `/${path.join("/")}`);
}

const minimal: Readonly<Record<string, object>> = {
  python_script: { type: "python_script", code: "x" },
  typescript_script: { type: "typescript_script", code: "x" },
  jupyter_notebook: { type: "jupyter_notebook", cells: [{ cellType: "code", source: "1" }] },
  llm_prompt: { type: "llm_prompt", model: "m", userPromptTemplate: "hi" },
  streamlit_app: { type: "streamlit_app", code: "x" },
  mcp_package: { type: "mcp_package", transport: { kind: "stdio", command: "npx" } },
};

describe("the registry", () => {
  it("defines every type once", () => {
    expect(executorDefinitions.map((definition) => definition.type).sort()).toEqual([...MCP_TYPES].sort());
  });

  it("has an executor for each type", async () => {
    const cacheRoot = await mkdtemp(join(tmpdir(), "headrace-registry-"));
    const nowhere = () => Promise.reject(new Error("nothing is run here"));
    const ports = {
      findProvider: nowhere,
      validate: nowhere,
      renderTemplate: nowhere,
      ledger: { reserve: nowhere },
    };
    const executors = createExecutors({ cacheRoot, llm: { ports } });
    expect([...executors.keys()].sort()).toEqual([...MCP_TYPES].sort());
    for (const [type, executor] of executors) expect(executor.type).toBe(type);
    await Promise.all([...executors.values()].map((executor) => executor.close?.()));
    await rm(cacheRoot, { recursive: true });
  });

  it.each(MCP_TYPES)("accepts a minimal %s, fills in its defaults, and refuses unknown fields", (type) => {
    expect(mcpConfigSchema.parse(minimal[type])).toMatchObject({ ...minimal[type] });
    expect(faultsOf({ ...minimal[type], foo: 1 })).toEqual(["/foo"]);
  });

  it("refuses a type that it does not know", () => {
    expect(faultsOf({ type: "bash", code: "x" })).toEqual(["/type"]);
    expect(faultsOf({ code: "x" })).toEqual(["/type"]);
  });

  it("fills in the documented defaults", () => {
    expect(mcpConfigSchema.parse(minimal["python_script"])).toMatchObject({
      timeoutSeconds: 600,
      memoryMb: 1_024,
      network: true,
    });
    expect(mcpConfigSchema.parse(minimal["llm_prompt"])).toMatchObject({ maxToolRounds: 8 });
    expect(mcpConfigSchema.parse(minimal["jupyter_notebook"])).toMatchObject({ kernel: "python3" });
    expect(mcpConfigSchema.parse(minimal["streamlit_app"])).toMatchObject({
      mainScriptPath: "app.py",
      idleTimeoutSeconds: 1_800,
    });
  });
});

describe("script configuration", () => {
  const script = (extra: object): string[] => faultsOf({ ...minimal["python_script"], ...extra });
  const typescript = (extra: object): string[] => faultsOf({ ...minimal["typescript_script"], ...extra });

  it.each([0, -1, 1e9, "60", Number.NaN, 1.5])("refuses timeoutSeconds %p", (timeoutSeconds) => {
    expect(script({ timeoutSeconds })).toEqual(["/timeoutSeconds"]);
  });

  it.each([1, 63, 1e6, 65_537])("refuses memoryMb %p", (memoryMb) => {
    expect(script({ memoryMb })).toEqual(["/memoryMb"]);
  });

  it.each([
    "LD_PRELOAD",
    "ld_library_path",
    "NODE_OPTIONS",
    "PYTHONPATH",
    "PythonStartup",
    "MCP_INPUTS",
    "PATH",
    "HEADRACE_EXECUTION",
    "BASH_ENV",
    "A=B",
    "1A",
    "A B",
    "",
    "É",
  ])("refuses the environment name %p", (name) => {
    expect(script({ env: { [name]: "x" } })).toEqual([`/env/${name}`]);
  });

  it("accepts usual environment names, and refuses values with NUL", () => {
    expect(script({ env: { REGION: "eu", _x: "", node_env: "test" } })).toEqual([]);
    expect(script({ env: { A: "a\0b" } })).toEqual(["/env/A"]);
  });

  it.each([
    "--index-url http://evil",
    "-r /etc/passwd",
    "-e .",
    "git+file:///",
    "pkg; import os",
    "pkg ; __import__('os')",
    "../x.whl",
    "./x",
    "/x.whl",
    "x @ https://evil/x.whl",
    "https://evil/x.whl",
    "a\nb",
    "a b",
    "",
    "a==1 --hash=sha256:0",
    "a".repeat(201),
  ])("refuses the Python requirement %j", (requirement) => {
    expect(script({ requirements: [requirement] })).toEqual(["/requirements/0"]);
  });

  it.each([
    "requests",
    "requests>=2.31,<3",
    "numpy == 1.26.*",
    "uvicorn[standard]~=0.30",
    "a!=1.0; python_version < '3.12' and sys_platform == \"linux\"",
    "zope.interface",
  ])("accepts the Python requirement %j", (requirement) => {
    expect(script({ requirements: [requirement] })).toEqual([]);
  });

  it.each([
    "--registry=http://evil",
    "-g",
    "git+https://evil/x.git",
    "github:a/b",
    "a/b",
    "file:../x",
    "../x",
    "x@file:../y",
    "x@npm:y",
    "x@https://evil/x.tgz",
    "X",
    "@/x",
    "x@",
    "x; y",
  ])("refuses the npm requirement %j", (requirement) => {
    expect(typescript({ requirements: [requirement] })).toEqual(["/requirements/0"]);
  });

  it.each(["zod", "zod@^4.0.0", "@scope/name@1.2.3", "x@latest", "x@>=1 <2", "x@1 || 2", "lodash.get@4"])(
    "accepts the npm requirement %j",
    (requirement) => {
      expect(typescript({ requirements: [requirement] })).toEqual([]);
    },
  );

  it("judges a hostile requirement in no time", () => {
    const startedAt = performance.now();
    script({
      requirements: [`a${" ".repeat(190)}!`, `a;${"a == '' and ".repeat(14)}`, `a[${"b,".repeat(90)}`],
    });
    typescript({ requirements: [`a@${"1 ".repeat(99)}!`] });
    expect(performance.now() - startedAt).toBeLessThan(200);
  });

  it("refuses code that is empty, too long or holds a NUL", () => {
    expect(script({ code: "" })).toEqual(["/code"]);
    expect(script({ code: "x".repeat(1024 * 1024 + 1) })).toEqual(["/code"]);
    expect(script({ code: "a\0" })).toEqual(["/code"]);
  });

  it("finds all faults at once", () => {
    expect(script({ memoryMb: 1, timeoutSeconds: 0, foo: 1 }).sort()).toEqual([
      "/foo",
      "/memoryMb",
      "/timeoutSeconds",
    ]);
  });
});

describe("configuration of the other types", () => {
  it.each([
    [{ model: "" }, ["/model"]],
    [{ temperature: 99 }, ["/temperature"]],
    [{ maxTokens: -5 }, ["/maxTokens"]],
    [{ topP: 2 }, ["/topP"]],
    [{ tools: ["mcp:none@1"] }, ["/tools/0"]],
    [{ maxToolRounds: 1e6 }, ["/maxToolRounds"]],
    [{ provider: "http://127.0.0.1:6379" }, ["/provider"]],
    [{ baseUrl: "http://x" }, ["/baseUrl"]],
    [{ responseFormat: { type: "json_schema" } }, ["/responseFormat/schema"]],
    [{ responseFormat: { type: "json_schema", schema: 1 } }, ["/responseFormat/schema"]],
  ])("llm_prompt: refuses %j", (extra, faults) => {
    expect(faultsOf({ ...minimal["llm_prompt"], ...extra })).toEqual(faults);
  });

  it.each([
    [{ notebook: { nbformat: 3, cells: [] } }, ["/notebook/nbformat"]],
    [{ notebook: { nbformat: 4 } }, ["/notebook/cells"]],
    [{}, ["/notebook"]],
    [{ cells: [] }, ["/cells"]],
    [{ notebook: { nbformat: 4, cells: [] }, cells: [{ cellType: "code", source: "" }] }, ["/cells"]],
    [{ cells: [{ cellType: "raw", source: "" }] }, ["/cells/0/cellType"]],
  ])("jupyter_notebook: judges %j", (extra, faults) => {
    expect(faultsOf({ type: "jupyter_notebook", ...extra })).toEqual(faults);
  });

  it.each([
    "ext::sh -c id",
    "EXT::sh -c id",
    "file:///etc",
    "-u x",
    "https://u:p@host.example/x",
    "https://token@host.example/x",
    "ssh://git@host.example/x",
    "http://169.254.169.254/",
    "https://169.254.169.254/",
    "https://127.1/x",
    "https://0x7f000001/x",
    "https://[::1]/x",
    "https://localhost/x",
    "https://a b.example/",
  ])("streamlit_app: refuses the repository %j", (gitRepoUrl) => {
    expect(faultsOf({ type: "streamlit_app", gitRepoUrl })).toEqual(["/gitRepoUrl"]);
  });

  it.each([
    "../x",
    "/etc/x",
    "a/../../b",
    "a\\..\\b",
    ".git/hooks/post-checkout",
    "a//b",
    "a/./b",
    "a\nb",
    "",
  ])("streamlit_app: refuses the file %j", (path) => {
    expect(faultsOf({ type: "streamlit_app", files: { "app.py": "", [path]: "" } })).toEqual([
      `/files/${path}`,
    ]);
  });

  it("streamlit_app: wants its main script among the files, inside the folder, and one source only", () => {
    const app = { type: "streamlit_app" };
    expect(faultsOf({ ...app, files: { "main.py": "" } })).toEqual(["/mainScriptPath"]);
    expect(faultsOf({ ...app, code: "x", mainScriptPath: "../app.py" })).toEqual(["/mainScriptPath"]);
    expect(faultsOf(app)).toEqual(["/code"]);
    expect(faultsOf({ ...app, code: "x", gitRepoUrl: "https://git.example.org/x" })).toEqual(["/gitRepoUrl"]);
    const many = Object.fromEntries(Array.from({ length: 501 }, (_, index) => [`f${index}.py`, ""]));
    expect(faultsOf({ ...app, files: { "app.py": "", ...many } })).toEqual(["/files"]);
    expect(faultsOf({ ...app, gitRepoUrl: "https://git.example.org/team/app.git" })).toEqual([]);
  });

  it.each([
    "http://[::ffff:127.0.0.1]:5432",
    "http://127.0.0.1/",
    "http://2130706433/",
    "http://10.1.2.3/",
    "http://[fd00::1]/",
    "http://localhost:3000/",
    "http://postgres:5432/",
    "ftp://example.org/",
    "http://u:p@example.org/",
    "nonsense",
  ])("mcp_package: refuses the URL %j", (url) => {
    expect(faultsOf({ type: "mcp_package", transport: { kind: "http", url } })).toEqual(["/transport/url"]);
  });

  it("mcp_package: accepts a private host that the operator allows", () => {
    const config = { type: "mcp_package", transport: { kind: "http", url: "http://127.0.0.1:8931/mcp" } };
    expect(createMcpConfigSchema({ allowedPrivateHosts: ["127.0.0.1"] }).safeParse(config).success).toBe(
      true,
    );
  });

  it.each(["Host", "X\r\nY", "content-length", "Transfer-Encoding", "a b"])(
    "mcp_package: refuses the header %j",
    (name) => {
      const transport = { kind: "http", url: "https://mcp.example.org/", headers: { [name]: "x" } };
      expect(faultsOf({ type: "mcp_package", transport })).toEqual([`/transport/headers/${name}`]);
    },
  );

  it("mcp_package: refuses header values that break out, and the environment rules hold", () => {
    const url = "https://mcp.example.org/";
    const http = { kind: "http", url, headers: { "X-A": "a\r\nb: c" } };
    expect(faultsOf({ type: "mcp_package", transport: http })).toEqual(["/transport/headers/X-A"]);
    const stdio = { kind: "stdio", command: "npx", env: { LD_PRELOAD: "x" } };
    expect(faultsOf({ type: "mcp_package", transport: stdio })).toEqual(["/transport/env/LD_PRELOAD"]);
  });
});
