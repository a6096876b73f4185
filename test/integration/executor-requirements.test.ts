import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createExecutors, mcpConfigSchema } from "../../src/executors/registry.js";
import { ExecutionError, type McpType } from "../../src/executors/types.js";
import { createSandbox, type WorkerSandbox } from "../../workers/sandbox/create-sandbox.js";
import { runOnce, startRun } from "../support/execution.js";
import { NODE_MANIFEST, writeNodePackage, writeWheel } from "../support/packages.js";

/** A package registry with one package, whose installation script would leave a trace; `hang` is never answered. */
async function openRegistry(folder: string, tracePath: string): Promise<Server> {
  const scripts = { postinstall: `touch ${tracePath}` };
  const manifest = { ...NODE_MANIFEST, scripts };
  const tarball = await writeNodePackage(folder, { scripts });
  const server = createServer((request, response) => {
    const address = `http://${request.headers.host}`;
    if (request.url === "/headrace-demo") {
      const version = { ...manifest, dist: { tarball: `${address}/demo.tgz` } };
      response.end(
        JSON.stringify({
          name: manifest.name,
          "dist-tags": { latest: "1.0.0" },
          versions: { "1.0.0": version },
        }),
      );
    } else if (request.url === "/demo.tgz") {
      void readFile(tarball).then((bytes) => response.end(bytes));
    } else if (request.url !== "/headrace-hang") {
      response.writeHead(404).end("{}");
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

describe("requirements", () => {
  let root: string;
  let worker: WorkerSandbox;
  let registry: Server;
  let tracePath: string;
  let cacheRoot: string;
  const openExecutors = () =>
    createExecutors({
      cacheRoot,
      installerEnv: {
        PIP_NO_INDEX: "1",
        PIP_FIND_LINKS: join(root, "wheels"),
        npm_config_registry: `http://127.0.0.1:${(registry.address() as { port: number }).port}/`,
        npm_config_fetch_retries: "0",
      },
    });
  let executors: ReturnType<typeof openExecutors>;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "headrace-requirements-"));
    await chmod(root, 0o755);
    await mkdir(join(root, "wheels"));
    tracePath = join(root, "trace");
    await writeWheel(join(root, "wheels"));
    registry = await openRegistry(root, tracePath);
    worker = await createSandbox({ requested: "auto", workRoot: join(root, "work") });
    cacheRoot = join(worker.workdirs.root, ".cache");
    executors = openExecutors();
  });
  afterAll(async () => {
    await Promise.all([...executors.values()].map((executor) => executor.close?.()));
    await worker.sandbox.close();
    registry.closeAllConnections();
    registry.close();
    await rm(root, { recursive: true, force: true });
  });

  const execute = (type: McpType, code: string, requirements: string[], from = executors) => {
    const executor = from.get(type);
    if (!executor) throw new Error(`No executor for ${type}`);
    return runOnce({ executor, worker }, mcpConfigSchema.parse({ type, code, requirements }), {});
  };
  const python = "import headrace_demo\ndef main():\n    return headrace_demo.answer";
  const typescript = 'import demo from "headrace-demo";\nexport const main = () => demo.answer;';

  it("of Python are installed once, whoever asks meanwhile, and then reused", async () => {
    const other = openExecutors();
    const runs = await Promise.all([
      execute("python_script", python, ["headrace-demo==1.0.0"]),
      execute("python_script", python, ["headrace-demo==1.0.0"]),
      execute("python_script", python, ["headrace-demo==1.0.0"], other),
    ]);
    expect(runs.map(({ output }) => output)).toEqual([42, 42, 42]);
    const installs = runs.flatMap(({ logs }) => logs).filter(({ message }) => message === "pip install …");
    expect(installs).toHaveLength(1);
    const again = await execute("python_script", python, ["headrace-demo==1.0.0"], openExecutors());
    expect(again).toMatchObject({ output: 42, logs: [] });
  }, 120_000);

  it("of TypeScript are installed without running their scripts", async () => {
    const { output } = await execute("typescript_script", typescript, ["headrace-demo@^1.0.0"]);
    expect(output).toBe(42);
    await expect(readFile(tracePath)).rejects.toThrow(/ENOENT/);
    const again = await execute("typescript_script", typescript, ["headrace-demo@^1.0.0"]);
    expect(again.logs).toEqual([]);
  }, 60_000);

  it.each([
    ["python_script", "headrace-absent==9"],
    ["typescript_script", "headrace-absent@9"],
  ] as const)(
    "that cannot be had fail a %s with the installer's words, and leave nothing",
    async (type, name) => {
      const before = await readdir(join(cacheRoot, "environments"));
      const failure = execute(type, "export const x = 1", [name]);
      await expect(failure).rejects.toMatchObject({
        code: "upstream_error",
        message: expect.stringMatching(/failed: .*(headrace-absent|404)/),
        details: { installer: expect.stringContaining("headrace-absent") },
      });
      const left = (await readdir(join(cacheRoot, "environments"))).filter((entry) => !/-cache$/.test(entry));
      expect(left.sort()).toEqual(before.filter((entry) => !/-cache$/.test(entry)).sort());
    },
    120_000,
  );

  it("stop being installed when the step is canceled", async () => {
    const executor = executors.get("typescript_script");
    if (!executor) throw new Error("No executor");
    const config = mcpConfigSchema.parse({
      type: "typescript_script",
      code: "1",
      requirements: ["headrace-hang"],
    });
    const waiting = new Promise((resolve) => registry.once("request", resolve));
    const started = await startRun({ executor, worker }, config, {});
    await waiting;
    const startedAt = performance.now();
    started.abort(new ExecutionError("canceled", "no longer wanted"));
    await expect(started.finished).rejects.toMatchObject({ code: "canceled" });
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  }, 60_000);
});
