import { execFile } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { ToolContract } from "../../src/core/tool-contract.js";
import type { ContractBook } from "../../src/executors/mcp-package/mcp-package-executor.js";
import { createExecutors, mcpConfigSchema } from "../../src/executors/registry.js";
import type { Executor } from "../../src/executors/types.js";
import { createSandbox, type WorkerSandbox } from "../../workers/sandbox/create-sandbox.js";
import { runOnce } from "../support/execution.js";

const run = promisify(execFile);
const SERVER = fileURLToPath(new URL("../support/hostile/mcp-server.mjs", import.meta.url));
const NAME = "headrace-demo-server";

/** A server in Python that answers what it must. */
const PYTHON_SERVER = `
import json, sys
def main():
    for line in sys.stdin:
        message = json.loads(line)
        method, result = message["method"], None
        if method == "initialize":
            version = message["params"]["protocolVersion"]
            result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "py", "version": "1"}}
        elif method == "tools/list":
            result = {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}
        elif method == "tools/call":
            result = {"content": [{"type": "text", "text": message["params"]["arguments"]["text"] + " " + sys.argv[1]}]}
        if result is not None:
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
`;

/** A package registry with one package, of whose versions the last is the newest. */
async function openRegistry(folder: string, versions: readonly string[]): Promise<Server> {
  for (const version of versions) {
    const source = join(folder, version, "package");
    await mkdir(source, { recursive: true });
    await writeFile(
      join(source, "package.json"),
      JSON.stringify({ name: NAME, version, bin: { [NAME]: "server.mjs" } }),
    );
    await copyFile(SERVER, join(source, "server.mjs"));
    await run("tar", ["-czf", join(folder, `${version}.tgz`), "-C", join(folder, version), "package"]);
  }
  const server = createServer((request, response) => {
    const address = `http://${request.headers.host}`;
    const [, version] = /^\/([\d.]+)\.tgz$/.exec(request.url ?? "") ?? [];
    if (request.url === `/${NAME}`) {
      const entries = versions.map((one) => [
        one,
        {
          name: NAME,
          version: one,
          bin: { [NAME]: "server.mjs" },
          dist: { tarball: `${address}/${one}.tgz` },
        },
      ]);
      const tags = { latest: versions.at(-1) };
      response.end(JSON.stringify({ name: NAME, "dist-tags": tags, versions: Object.fromEntries(entries) }));
    } else if (version !== undefined) {
      void readFile(join(folder, `${version}.tgz`)).then((bytes) => response.end(bytes));
    } else response.writeHead(404).end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** Writes a wheel with a console script into a folder. */
async function writeWheel(folder: string): Promise<void> {
  await run("/usr/bin/python3", [
    "-c",
    `import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + "/headrace_demo_server-2.0.0-py3-none-any.whl", "w") as wheel:
    info = "headrace_demo_server-2.0.0.dist-info/"
    wheel.writestr("headrace_demo_server.py", sys.argv[2])
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: headrace-demo-server\\nVersion: 2.0.0\\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(info + "entry_points.txt", "[console_scripts]\\nheadrace-demo-server = headrace_demo_server:main\\n")
    wheel.writestr(info + "RECORD", "headrace_demo_server.py,,\\n" + info + "METADATA,,\\n" + info + "WHEEL,,\\n" + info + "entry_points.txt,,\\n" + info + "RECORD,,\\n")`,
    folder,
    PYTHON_SERVER,
  ]);
}

/** Contracts in memory, in place of the database's. */
function createBook(): ContractBook & { readonly contracts: Map<string, ToolContract> } {
  const contracts = new Map<string, ToolContract>();
  return {
    contracts,
    readToolContract: async (id) => contracts.get(id),
    async keep(id, listing) {
      const contract = contracts.get(id) ?? { ...listing, at: new Date() };
      contracts.set(id, contract);
      return { contract };
    },
  };
}

describe("servers from packages", () => {
  let root: string;
  let worker: WorkerSandbox;
  const registries: Server[] = [];
  const book = createBook();

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "headrace-mcp-npx-"));
    await chmod(root, 0o755);
    worker = await createSandbox({ requested: "auto", workRoot: join(root, "work") });
    await writeWheel(root);
  });
  afterAll(async () => {
    for (const registry of registries) registry.close();
    await worker.sandbox.close();
    await rm(root, { recursive: true, force: true });
  });

  /** An executor with a cache of its own, as on another machine. */
  async function openMachine(name: string, versions: readonly string[]): Promise<Executor> {
    const registry = await openRegistry(join(root, name), versions);
    registries.push(registry);
    const { port } = registry.address() as AddressInfo;
    const executors = createExecutors({
      python: "/usr/bin/python3",
      cacheRoot: join(worker.workdirs.root, `cache-${name}`),
      installerEnv: {
        npm_config_registry: `http://127.0.0.1:${port}/`,
        PIP_NO_INDEX: "1",
        PIP_FIND_LINKS: root,
      },
      mcpPackages: { contracts: book },
    });
    return executors.get("mcp_package") as Executor;
  }
  const configOf = (command: string, args: readonly string[]) =>
    mcpConfigSchema.parse({ type: "mcp_package", transport: { kind: "stdio", command, args }, tool: "echo" });

  it("npx installs the newest, records which that is, and every machine takes that one from then on", async () => {
    const config = configOf("npx", ["-y", NAME, "good"]);
    const first = await openMachine("first", ["1.0.0"]);
    const options = { mcpVersionId: "one" };
    const { output, logs } = await runOnce({ executor: first, worker }, config, { text: "hi" }, options);
    expect(output).toEqual({ content: [{ type: "text", text: "hi" }], isError: false });
    expect(logs.map(({ message }) => message)).toContain(
      `server test-server 1.0.0 (npm: ${NAME} 1.0.0), 1 tools`,
    );
    expect(book.contracts.get("one")?.package).toEqual({ registry: "npm", name: NAME, version: "1.0.0" });

    const second = await openMachine("second", ["1.0.0", "1.1.0"]);
    const pinned = await runOnce({ executor: second, worker }, config, { text: "hi" }, options);
    expect(pinned.logs.map(({ message }) => message)).toContainEqual(
      expect.stringContaining(`${NAME} 1.0.0)`),
    );
    const other = await runOnce(
      { executor: second, worker },
      config,
      { text: "hi" },
      { mcpVersionId: "two" },
    );
    expect(other.logs.map(({ message }) => message)).toContainEqual(
      expect.stringContaining(`${NAME} 1.1.0)`),
    );
    await Promise.all([first.close?.(), second.close?.()]);
  }, 120_000);

  it("uvx does the same with wheels; what cannot be had is said", async () => {
    const machine = await openMachine("python", ["1.0.0"]);
    const config = configOf("uvx", ["headrace-demo-server", "there"]);
    const { output } = await runOnce(
      { executor: machine, worker },
      config,
      { text: "hi" },
      { mcpVersionId: "three" },
    );
    expect(output).toMatchObject({ content: [{ text: "hi there" }] });
    expect(book.contracts.get("three")?.package).toEqual({ registry: "pypi", name: NAME, version: "2.0.0" });
    const missing = runOnce({ executor: machine, worker }, configOf("npx", ["headrace-missing"]), {});
    await expect(missing).rejects.toMatchObject({ code: "upstream_error" });
    await machine.close?.();
  }, 120_000);
});
