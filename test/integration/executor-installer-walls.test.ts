import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "@jest/globals";
import { createExecutors, mcpConfigSchema } from "../../src/executors/registry.js";
import type { McpType } from "../../src/executors/types.js";
import { createSandbox, type WorkerSandbox } from "../../workers/sandbox/create-sandbox.js";
import { runOnce } from "../support/execution.js";
import { writeNodePackage, writeWheel } from "../support/packages.js";
import { bubblewrap, describeWith } from "../support/requirements.js";

interface Listening {
  readonly server: Server;
  readonly port: number;
  readonly asked: string[];
}

/** An HTTP server on this machine's loopback, which no step may reach. */
async function listen(answer: (path: string) => string | Buffer | undefined): Promise<Listening> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    const body = answer(request.url ?? "");
    if (body === undefined) response.writeHead(404).end();
    else
      response
        .setHeader("content-type", typeof body === "string" ? "text/html" : "application/zip")
        .end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, asked, port: (server.address() as AddressInfo).port };
}

/** What a package could do at the most, were there a way to make an installer run it. */
const HOSTILE = `
import os, socket, sys
folder, cache, secret, writable, allowed, refused = sys.argv[1:7]
found = []
def attempt(name, work):
    try:
        work()
        found.append(name)
    except OSError:
        pass
def connect(port):
    with socket.socket() as one:
        one.settimeout(2)
        one.connect(("127.0.0.1", int(port)))
def ask(port):
    with socket.socket() as one:
        one.settimeout(5)
        one.connect(("127.0.0.1", 3128))
        one.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\\r\\n\\r\\n".encode())
        if b" 200 " not in one.recv(100):
            raise OSError("refused")
attempt("read a secret", lambda: open(secret).close())
attempt("read passwords", lambda: open("/etc/shadow").close())
attempt("write beside", lambda: open(writable + "/x", "w").close())
attempt("write to the system", lambda: open("/usr/x", "w").close())
attempt("write to the folder", lambda: open(folder + "/x", "w").close())
attempt("write to the cache", lambda: open(cache + "/x", "w").close())
attempt("connect", lambda: connect(allowed))
attempt("see other processes", lambda: os.stat("/proc/%d" % (int(os.environ["WORKER"]))))
attempt("become somebody", lambda: os.setuid(12345))
attempt("reach its index", lambda: ask(allowed))
attempt("reach something else", lambda: ask(refused))
print(",".join(found))
`;

describeWith(bubblewrap, "installers of packages at level namespace", () => {
  let root: string;
  let worker: WorkerSandbox;
  let other: Listening;
  const open: Listening[] = [];

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "headrace-installers-"));
    await chmod(root, 0o755);
    for (const name of ["wheels", "npm", "folder", "cache", "beside"]) await mkdir(join(root, name));
    await writeFile(join(root, "secret"), "x", { mode: 0o600 });
    worker = await createSandbox({ requested: "namespace", workRoot: join(root, "work") });
    other = await listen(() => "found");
    open.push(other);
  });
  afterAll(async () => {
    await worker.sandbox.close();
    for (const { server } of open) {
      server.closeAllConnections();
      server.close();
    }
    await rm(root, { recursive: true, force: true });
  });

  async function execute(type: McpType, requirement: string, env: Record<string, string>) {
    const code =
      type === "python_script"
        ? "import headrace_demo\ndef main():\n    return headrace_demo.answer"
        : 'import demo from "headrace-demo";\nexport const main = () => demo.answer;';
    const cacheRoot = await mkdtemp(join(worker.workdirs.root, ".cache-"));
    await chmod(cacheRoot, 0o755);
    const executors = createExecutors({ cacheRoot, installerEnv: env });
    const executor = executors.get(type);
    if (!executor) throw new Error(`No executor for ${type}`);
    try {
      const config = mcpConfigSchema.parse({ type, code, requirements: [requirement] });
      return await runOnce({ executor, worker }, config, {});
    } finally {
      await Promise.all([...executors.values()].map((each) => each.close?.()));
    }
  }

  it("take Python packages from an index on this machine, over HTTP, and log where they went", async () => {
    const wheel = await readFile(await writeWheel(join(root, "wheels")));
    const name = "headrace_demo-1.0.0-py3-none-any.whl";
    const index = await listen((path) => {
      if (path === "/simple/headrace-demo/") return `<a href="../../files/${name}">${name}</a>`;
      return path === `/files/${name}` ? wheel : undefined;
    });
    open.push(index);
    const env = { PIP_INDEX_URL: `http://127.0.0.1:${index.port}/simple`, PIP_CONFIG_FILE: "/dev/null" };
    const { output, logs } = await execute("python_script", "headrace-demo==1.0.0", env);
    expect(output).toBe(42);
    expect(index.asked).toContain(`/files/${name}`);
    expect(logs.map(({ message }) => message)).toContainEqual(
      expect.stringContaining(`network: 127.0.0.1:${index.port}`),
    );
  }, 120_000);

  it.each([
    ["python_script", "headrace-demo==1.0.0"],
    ["typescript_script", "headrace-demo@1.0.0"],
  ] as const)(
    "of a %s follow no registry to another server of this machine",
    async (type, requirement) => {
      const elsewhere = `http://127.0.0.1:${other.port}`;
      const registry = await listen((path) => {
        if (path === "/simple/headrace-demo/")
          return `<a href="${elsewhere}/headrace_demo-1.0.0-py3-none-any.whl">headrace_demo-1.0.0-py3-none-any.whl</a>`;
        if (path !== "/headrace-demo") return undefined;
        const dist = { tarball: `${elsewhere}/demo.tgz` };
        const versions = { "1.0.0": { name: "headrace-demo", version: "1.0.0", dist } };
        return JSON.stringify({ name: "headrace-demo", "dist-tags": { latest: "1.0.0" }, versions });
      });
      open.push(registry);
      const address = `http://127.0.0.1:${registry.port}`;
      const env = {
        ...{ PIP_INDEX_URL: `${address}/simple`, PIP_CONFIG_FILE: "/dev/null", PIP_RETRIES: "0" },
        ...{ npm_config_registry: `${address}/`, npm_config_fetch_retries: "0" },
      };
      other.asked.length = 0;
      await expect(execute(type, requirement, env)).rejects.toMatchObject({
        code: "upstream_error",
        details: { installer: expect.stringMatching(/403|Forbidden/i) },
      });
      expect(registry.asked.length).toBeGreaterThan(0);
      expect(other.asked).toEqual([]);
    },
    120_000,
  );

  it("go through the operator's proxy where there is one, with its credentials", async () => {
    const tarball = await readFile(await writeNodePackage(join(root, "npm")));
    const seen: string[] = [];
    const proxy = createServer((request, response) => {
      seen.push(`${request.headers["proxy-authorization"]} ${request.url}`);
      const dist = { tarball: "http://registry.test/demo.tgz" };
      const versions = { "1.0.0": { name: "headrace-demo", version: "1.0.0", main: "index.js", dist } };
      const manifest = { name: "headrace-demo", "dist-tags": { latest: "1.0.0" }, versions };
      response.end(request.url?.endsWith(".tgz") ? tarball : JSON.stringify(manifest));
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const port = (proxy.address() as AddressInfo).port;
    open.push({ server: proxy, port, asked: [] });
    const env = {
      npm_config_registry: "http://registry.test/",
      HTTP_PROXY: `http://me:word@127.0.0.1:${port}`,
    };
    const { output } = await execute("typescript_script", "headrace-demo@1.0.0", env);
    expect(output).toBe(42);
    const credentials = `Basic ${Buffer.from("me:word").toString("base64")}`;
    expect(seen).toEqual(
      expect.arrayContaining([
        `${credentials} http://registry.test/headrace-demo`,
        `${credentials} http://registry.test/demo.tgz`,
      ]),
    );
  }, 120_000);

  it("would gain nothing from a package that got them to run it", async () => {
    const server = createTcpServer((socket) => socket.end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const [folder, cache, secret, beside] = ["folder", "cache", "secret", "beside"].map((name) =>
      join(root, name),
    );
    const child = await worker.sandbox.start({
      command: "/usr/bin/python3",
      args: ["-c", HOSTILE, folder, cache, secret, beside, String(port), String(other.port)] as string[],
      cwd: folder as string,
      env: { WORKER: String(process.pid) },
      ...{ memoryMb: 256, timeoutSeconds: 30, network: true, identity: "worker" },
      tool: { writablePaths: [cache as string], hosts: [`127.0.0.1:${port}`] },
    });
    let said = "";
    child.onStdout((chunk) => (said += chunk.toString()));
    child.endInput();
    expect(await child.exited).toMatchObject({ exitCode: 0 });
    server.close();
    // the folder that it shares the way to is an empty one of its own
    expect(
      said
        .trim()
        .split(",")
        .filter((name) => name !== "write beside"),
    ).toEqual(["write to the folder", "write to the cache", "reach its index"]);
    expect(existsSync(join(beside as string, "x"))).toBe(false);
    expect(existsSync(join(cache as string, "x"))).toBe(true);
  }, 60_000);
});
