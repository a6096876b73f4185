import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { type AddressInfo, createServer, type Server } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { JsonObject } from "../../src/core/json.js";
import { createExecutors, mcpConfigSchema } from "../../src/executors/registry.js";
import type { Executor, McpType, SandboxLevel } from "../../src/executors/types.js";
import { walkFolder } from "../../src/services/artifacts/walk-folder.js";
import { createSandbox, type WorkerSandbox } from "../../workers/sandbox/create-sandbox.js";
import { isRunning, listProcessesIn, runOnce, startRun } from "../support/execution.js";
import { bubblewrap, describeWith } from "../support/requirements.js";

const MEBIBYTE = 1024 ** 2;
const WORKDIR_BYTES = 64 * MEBIBYTE;
const SECRET = "hostile-suite-secret-in-the-workers-environment";
const isRoot = process.getuid?.() === 0;
const hostile = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../support/hostile/${name}`, import.meta.url)), "utf8");

/** A worker of one level, with its executors. */
interface Opened {
  readonly worker: WorkerSandbox;
  readonly run: (
    type: McpType,
    code: string,
    input?: JsonObject,
    config?: JsonObject,
  ) => ReturnType<typeof runOnce>;
  readonly start: (type: McpType, code: string) => ReturnType<typeof startRun>;
  close(): Promise<void>;
}

let root: string;
/** As a careless operator would have it: in a folder that everybody may read. */
let data: string;
const servers: (Server | HttpServer)[] = [];
let udp: UdpSocket;
const datagrams: Buffer[] = [];
const abstractName = `headrace-hostile-${process.pid}`;
let apiPort: number;
let publicPort: number;

async function listen(server: Server | HttpServer, at: number | string): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) =>
    server.listen(at, typeof at === "number" ? "0.0.0.0" : undefined, resolve),
  );
  return (server.address() as AddressInfo | null)?.port ?? 0;
}

beforeAll(async () => {
  process.env["JWT_SECRET"] = SECRET;
  root = mkdtempSync(join(tmpdir(), "headrace-hostile-"));
  data = join(root, "data");
  chmodSync(root, 0o755);
  await (await import("node:fs/promises")).mkdir(data, { mode: 0o755 });
  for (const name of [".env", "jwt.key"]) writeFileSync(join(data, name), "JWT_SECRET=x", { mode: 0o644 });
  const answer = createHttpServer((_, response) => response.end("the API"));
  apiPort = await listen(answer, 0);
  const reached = createHttpServer(({ url }, response) => {
    if (url === "/away") response.writeHead(302, { location: `http://127.0.0.1:${apiPort}/` }).end();
    else response.end("reached");
  });
  publicPort = await listen(reached, 0);
  await listen(
    createServer((socket) => socket.end()),
    join(root, "api.sock"),
  );
  chmodSync(join(root, "api.sock"), 0o777);
  await listen(
    createServer((socket) => socket.end()),
    `\0${abstractName}`,
  );
  udp = createSocket("udp4", (message) => datagrams.push(message));
  await new Promise<void>((resolve) => udp.bind(0, "127.0.0.1", resolve));
});

afterAll(() => {
  delete process.env["JWT_SECRET"];
  udp.close();
  for (const server of servers) server.close();
  rmSync(root, { recursive: true, force: true });
});

async function open(level: SandboxLevel): Promise<Opened> {
  const worker = await createSandbox({
    requested: level,
    workRoot: join(data, `work-${level}`),
    maxWorkdirBytes: WORKDIR_BYTES,
    // stands for the public internet, which a test cannot count on
    allowedPrivateHosts: [`127.0.0.1:${publicPort}`],
  });
  const executors = createExecutors({ cacheRoot: join(worker.workdirs.root, "cache") });
  const find = (type: McpType) => ({ executor: executors.get(type) as Executor, worker });
  return {
    worker,
    run: (type, code, input = {}, config = {}) =>
      runOnce(find(type), mcpConfigSchema.parse({ type, code, memoryMb: 256, ...config }), input),
    start: (type, code) => startRun(find(type), mcpConfigSchema.parse({ type, code, memoryMb: 256 }), {}),
    async close() {
      await Promise.all([...executors.values()].map((executor) => executor.close?.()));
      await worker.sandbox.close();
    },
  };
}

/** @param isHeld whether a sandbox keeps the programs from doing to this machine what they try. */
function listTargets({ isHeld }: { isHeld: boolean }): JsonObject {
  const services = ["TEST_DATABASE_URL", "TEST_REDIS_URL"].flatMap((name) => {
    const url = process.env[name];
    return url ? [Number(new URL(url).port)] : [];
  });
  const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outer = own.find(({ internal, family }) => !internal && family === "IPv4")?.address;
  const repository = fileURLToPath(new URL("../../", import.meta.url));
  const metadata = [
    ...["169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518"],
    ...["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254", "metadata.google.internal"],
  ].map((host): [string, number] => [host, 80]);
  const loopback = [
    "localhost",
    "127.0.0.1",
    "127.1",
    "0",
    "0x7f.1",
    "::1",
    "::ffff:127.0.0.1",
    "localhost.",
  ].map((host): [string, number] => [host, apiPort]);
  return {
    ports: [apiPort, ...services],
    addresses: ["127.0.0.1", "0.0.0.0", ...(outer ? [outer] : [])],
    sockets: [join(root, "api.sock")],
    abstract: abstractName,
    paths: [
      ...["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/hostname", "/etc/machine-id", "/proc/kcore"],
      ...[join(data, ".env"), join(data, "jwt.key"), join(repository, "package.json")],
      ...[`/proc/${process.pid}/environ`, `/proc/${process.pid}/cmdline`, `/proc/${process.pid}/maps`],
    ],
    changes_machine: isHeld,
    places: [
      join(data, "x"),
      ...(isHeld ? ["/x", "/usr/x", "/etc/x", "/dev/x", "/run/x", "/proc/sys/kernel/hostname"] : []),
    ],
    pid: process.pid,
    secret: SECRET,
    spellings: [...metadata, ...loopback, ...(outer ? [[outer, apiPort] as [string, number]] : [])],
    udp_port: udp.address().port,
  };
}

const LANGUAGES = [
  ["python_script", hostile("escape.py")],
  ["typescript_script", hostile("escape.mts")],
] as const;

describe("what the hostile programs could do without a sandbox", () => {
  it.each(LANGUAGES)("shows that %s knows its ways", async (type, code) => {
    const opened = await open("none");
    try {
      const { output } = await opened.run(type, code, listTargets({ isHeld: false }));
      expect(output).toEqual(
        expect.arrayContaining([
          `tcp 127.0.0.1 ${apiPort}`,
          `unix ${join(root, "api.sock")}`,
          "abstract socket",
          "read /etc/passwd",
          `read ${join(data, "jwt.key")}`,
          `read /proc/${process.pid}/environ`,
          `write ${join(data, "x")}`,
          "environment of the worker",
          "signal the worker",
          "see other processes",
        ]),
      );
      expect(datagrams.splice(0).length).toBeGreaterThan(0);
    } finally {
      rmSync(join(data, "x"), { force: true });
      await opened.close();
    }
  });
});

describeWith(bubblewrap, "hostile scripts at level namespace", () => {
  let opened: Opened;

  beforeAll(async () => {
    opened = await open("namespace");
  });
  afterAll(async () => await opened.close());

  it.each(LANGUAGES)("%s gets out by none of its ways", async (type, code) => {
    const { output } = await opened.run(type, code, listTargets({ isHeld: true }));
    expect(output).toEqual([]);
    expect(datagrams).toEqual([]);
    expect(existsSync(join(data, "x"))).toBe(false);
  });

  it.each([
    [
      "python_script",
      `import urllib.request, urllib.error
def get(url):
    try:
        return urllib.request.urlopen(url, timeout=10).read().decode()
    except urllib.error.HTTPError as error:
        return error.code
def main(port, api):
    return [get(f"http://127.0.0.1.:{port}/"), get(f"http://127.0.0.1.:{port}/away"), get(f"http://127.0.0.1.:{api}/")]`,
      [`reached`, 403, 403],
    ],
    [
      "typescript_script",
      `import { get } from "node:http";
const old = (url: string) => new Promise((done) => get(url, (a) => a.setEncoding("utf8").on("data", done)).on("error", () => done("refused")));
const ask = (url: string) => fetch(url).then((a) => a.text(), () => "refused");
export async function main({ port, api }: { port: number; api: number }) {
  const host = "http://127.0.0.1.";
  return [await ask(\`\${host}:\${port}/\`), await ask(\`\${host}:\${port}/away\`), await ask(\`\${host}:\${api}/\`), await old(\`\${host}:\${port}/\`), await old(\`\${host}:\${api}/\`)];
}`,
      ["reached", "refused", "refused", "reached", "refused"],
    ],
  ] as const)(
    "%s reaches what the proxy allows, is led nowhere else, and its log says so",
    async (type, code, answers) => {
      // the dot keeps programs from taking it for their own loopback
      const { output, logs } = await opened.run(type, code, { port: publicPort, api: apiPort });
      expect(output).toEqual(answers);
      const said = logs.filter(({ stream }) => stream === "system").map(({ message }) => message);
      expect(said).toContainEqual(
        expect.stringMatching(new RegExp(`^network: 127\\.0\\.0\\.1\\.?:${publicPort}, \\d connection`)),
      );
      expect(said).toContainEqual(expect.stringMatching(new RegExp(`:${apiPort}.* refused: `)));
    },
  );

  it("without network, there is no proxy either", async () => {
    const code = `import os, socket
def main():
    with socket.socket() as attempt:
        return [attempt.connect_ex(("127.0.0.1", 3128)) == 0, "HTTP_PROXY" in os.environ]`;
    const { output } = await opened.run("python_script", code, {}, { network: false });
    expect(output).toEqual([false, false]);
  });

  it("caps what is kept in memory's own folders", async () => {
    const code = `def main():
    sizes = []
    for path in ("/tmp/x", "/dev/shm/x"):
        size = 0
        try:
            with open(path, "wb") as file:
                while size < 512 << 20:
                    size += file.write(b"x" * (1 << 20))
        except OSError:
            pass
        sizes.append(size >> 20)
    return sizes`;
    const { output } = await opened.run("python_script", code);
    for (const size of output as number[]) {
      expect(size).toBeGreaterThan(16);
      expect(size).toBeLessThanOrEqual(64);
    }
  });

  it("runs the programs that steps use", async () => {
    const code = `import subprocess, zoneinfo, ssl, multiprocessing, tempfile, datetime, socket, os
def main():
    def said(*words):
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run(["git", "init", "-q", "repository"], check=True)
    subprocess.run(["python3", "-m", "venv", "--without-pip", "environment"], check=True)
    multiprocessing.Lock()
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x")
    return {
        "node": said("node", "-p", "1 + 1"),
        "venv": said("environment/bin/python", "-c", "print(6 * 7)"),
        "zone": str(datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")).utcoffset()),
        "hasCertificates": ssl.create_default_context().cert_store_stats()["x509_ca"] > 0,
        "localhost": socket.gethostbyname("localhost"),
        "hostname": socket.gethostname(),
    }`;
    const { output } = await opened.run("python_script", code);
    expect(output).toEqual({
      node: "2",
      venv: "42",
      zone: "2:00:00",
      hasCertificates: true,
      localhost: "127.0.0.1",
      hostname: "step",
    });
  });
});

/** The limits hold at every level that has any. */
describe.each(["namespace", "landlock", "process"] as const)(
  "limits of hostile scripts at level %s",
  (level) => {
    let opened: Opened | undefined;

    beforeAll(async () => {
      opened = await open(level).catch((error: Error) => {
        if (level === "process" || process.env["CI"] === "true") throw error;
        return undefined;
      });
    });
    afterAll(async () => await opened?.close());

    /** What this machine cannot have is skipped by a test that says nothing, never by one that passes wrongly. */
    const itHere = (name: string, body: (here: Opened) => Promise<void>, limitMs = 30_000): void =>
      it(name, async () => (opened ? await body(opened) : undefined), limitMs);

    if (isRoot || level === "namespace") {
      itHere("a fork bomb fills its own share and ends with the step", async (here) => {
        const code = `import os, time
def main():
    count = 0
    try:
        while count < 2000:
            if os.fork() == 0:
                os.setsid()
                time.sleep(600)
            count += 1
    except OSError:
        pass
    return count`;
        let left: number[] | undefined;
        const run = await here.start("python_script", code);
        const neighbour = here.run("python_script", "def main(): return 'fine'");
        const count = (await run.finished) as number;
        left = listProcessesIn(here.worker.workdirs.root);
        expect(count).toBeGreaterThan(20);
        expect(count).toBeLessThanOrEqual(256);
        expect((await neighbour).output).toBe("fine");
        left = left.filter((pid) => isRunning(pid));
        expect(left).toEqual([]);
      });
    }

    itHere("a memory hog ends alone", async (here) => {
      const python = "def main():\n  held = []\n  while True: held.append(bytearray(b'x') * (16 << 20))";
      await expect(here.run("python_script", python)).rejects.toMatchObject({ code: "out_of_memory" });
      const node =
        "export function main() { const held: Buffer[] = []; for (;;) held.push(Buffer.alloc(16 << 20, 1)); }";
      await expect(here.run("typescript_script", node)).rejects.toMatchObject({ code: "out_of_memory" });
    });

    itHere(
      "a disk filler is stopped, by many files, by entries, or by files without a name",
      async (here) => {
        const fill = (body: string): string => `import os, time
def main():
    os.chdir("artifacts")
    block = b"x" * (1 << 20)
    held = []
    for index in range(256):
        file = open(str(index), "wb")
        ${body}
        held.append(file)
        file.write(block)
        file.flush()
    time.sleep(25)`;
        for (const body of ["pass", "os.unlink(str(index))"]) {
          const startedAt = performance.now();
          await expect(here.run("python_script", fill(body))).rejects.toMatchObject({
            code: "script_error",
            message: expect.stringContaining("work folder"),
          });
          expect(performance.now() - startedAt).toBeLessThan(15_000);
        }
      },
    );

    itHere("endless output is cut and costs the worker nothing", async (here) => {
      const before = process.memoryUsage().rss;
      const code = `import sys, time
def main():
    until = time.time() + 1.5
    while time.time() < until:
        sys.stdout.write("x" * 65536)
    return 1`;
      const { output } = await here.run("python_script", code);
      expect(output).toBe(1);
      expect(process.memoryUsage().rss - before).toBeLessThan(500 * MEBIBYTE);
    });

    itHere("nothing outlives its step", async (here) => {
      const code = `import os, time
def main():
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.closerange(0, 3)
            os.environ.clear()
            os.write(writer, str(os.getpid()).encode())
            while True:
                time.sleep(60)
        os._exit(0)
    print("pids", int(os.read(reader, 20)), flush=True)
    time.sleep(0.5)`;
      const run = await here.start("python_script", code);
      const pids = await run.waitForPids();
      expect(pids.filter(isRunning)).toHaveLength(1);
      await run.finished;
      expect(pids.filter(isRunning)).toEqual([]);
    });

    if (isRoot || level === "namespace") {
      itHere("nobody ends a neighbour or the worker", async (here) => {
        const victim = await here.start(
          "python_script",
          "import os, time\ndef main():\n    print('pids', os.getpid(), flush=True)\n    time.sleep(4)\n    return 'lives'",
        );
        const [pid = 0] = await victim.waitForPids();
        const killer = `import os, signal
def main(pids):
    assert os.getuid() != 0, "would hit every process of the machine"
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for pid in [*pids, -1]:
        try:
            os.kill(pid, signal.SIGKILL if pid > 0 else signal.SIGTERM)
        except OSError:
            pass`;
        await here.run("python_script", killer, { pids: [pid, process.pid] });
        expect(await victim.finished).toBe("lives");
      });
    }

    itHere("tricks in artifacts lead to nothing of the machine's", async (here) => {
      const code = `import os
def main():
    os.chdir("artifacts")
    os.symlink("/etc/passwd", "link")
    os.symlink("/", "folder")
    os.mkfifo("fifo")
    for target in ("/etc/passwd", "/usr/bin/env"):
        try:
            os.link(target, "hard" + target.replace("/", "-"))
        except OSError:
            pass
    with open("sparse", "wb") as file:
        file.truncate(900 << 20)
    os.mkdir("many")
    for index in range(3000):
        os.mkfifo(f"many/{index}")
    with open("good", "w") as file:
        file.write("kept")`;
      const found: string[] = [];
      const refused: string[] = [];
      const run = await startRun(
        {
          executor: createExecutors({ cacheRoot: join(here.worker.workdirs.root, "cache") }).get(
            "python_script",
          ) as Executor,
          worker: here.worker,
        },
        mcpConfigSchema.parse({ type: "python_script", code }),
        {},
        {
          async inspect(workdir) {
            const limits = { maxFiles: 100, maxTotalBytes: MEBIBYTE, maxDepth: 8, maxEntries: 2_000 };
            await walkFolder(join(workdir, "artifacts"), limits, {
              async onFile({ name }) {
                found.push(name);
              },
              onRefused: (reason) => refused.push(reason),
            });
          },
        },
      );
      await run.finished;
      expect(found.filter((name) => name !== "good")).toEqual([]);
      expect(refused.length).toBeGreaterThan(2);
    });
  },
);
