import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { JsonObject, JsonValue } from "../../src/core/json.js";
import { createExecutors, mcpConfigSchema } from "../../src/executors/registry.js";
import type { StartKind } from "../../src/executors/script/script-executor.js";
import { createWarmPool } from "../../src/executors/script/warm-pool.js";
import { ExecutionError, type McpType } from "../../src/executors/types.js";
import { closeInheritedDescriptors } from "../../src/lifecycle/close-inherited-descriptors.js";
import { createSandbox, type WorkerSandbox } from "../../workers/sandbox/create-sandbox.js";
import { eventually } from "../support/eventually.js";
import { isRunning, type RunOptions, runOnce, startRun } from "../support/execution.js";

/** A worker's sandbox and executors as workers have them, and how each execution got its process. */
async function openWarm(requested: "auto" | "process", maxWarmProcesses = 4) {
  const root = await mkdtemp(join(tmpdir(), "headrace-warm-"));
  await chmod(root, 0o755);
  const warnings: string[] = [];
  closeInheritedDescriptors(); // as a worker does when it starts
  const worker: WorkerSandbox = await createSandbox({
    requested,
    workRoot: join(root, "work"),
    warn: (message) => warnings.push(message),
  });
  const { sandbox, workdirs } = worker;
  const starts: StartKind[] = [];
  const executors = createExecutors({
    cacheRoot: join(workdirs.root, "cache"),
    ground: { sandbox, makeWorkdir: workdirs.make, removeWorkdir: workdirs.remove },
    maxWarmProcesses,
    onScriptStart: (_, kind) => starts.push(kind),
  });
  const open = (type: McpType) => {
    const executor = executors.get(type);
    if (!executor) throw new Error(`No executor for ${type}`);
    return { executor, worker };
  };
  const run = async (type: McpType, code: string, input: JsonObject = {}, options: RunOptions = {}) =>
    (await runOnce(open(type), mcpConfigSchema.parse({ type, code, ...options.config }), input, options))
      .output;
  return {
    worker,
    starts,
    warnings,
    open,
    run,
    /** Runs until executions find a process that waits for them. */
    async warmUp(type: McpType, code: string): Promise<void> {
      await eventually(
        "a process waits for the next execution",
        async () => {
          await run(type, code);
          await sleep(150);
          return starts.at(-1) === "pooled";
        },
        20_000,
      );
    },
    async close(): Promise<void> {
      await Promise.all([...executors.values()].map((executor) => executor.close?.()));
      await sandbox.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}
type Warm = Awaited<ReturnType<typeof openWarm>>;

/** Leaves traces wherever a process can, and tells those that it found. */
const PYTHON_TRACES = `
import builtins, glob, json, os, random, signal, socket, sys, tempfile, threading, time
def main():
    found = [
        name for name, is_there in {
            "module": hasattr(json, "trace"), "builtin": hasattr(builtins, "trace"), "import": "trace_module" in sys.modules,
            "environment": "TRACE" in os.environ, "folder": os.path.exists("trace"), "path": "/trace" in sys.path,
            "temporary": bool(glob.glob(os.path.join(tempfile.gettempdir(), "trace*"))),
            "system temporary": bool(glob.glob("/tmp/headrace-trace*")) and os.path.exists("/tmp/headrace-trace-mine"),
            "descriptors": any(int(fd) > 5 for fd in os.listdir("/proc/self/fd")),
            "signal": signal.getsignal(signal.SIGUSR1) != signal.SIG_DFL, "timeout": socket.getdefaulttimeout() is not None,
            "threads": threading.active_count() > 1, "umask": os.umask(0o22) != 0o22,
        }.items() if is_there
    ]
    json.trace = builtins.trace = True
    sys.modules["trace_module"] = json
    os.environ["TRACE"] = "1"
    sys.path.append("/trace")
    open("trace", "w").close()
    tempfile.NamedTemporaryFile(prefix="trace", delete=False).close()
    for _ in range(10): os.open("/dev/null", os.O_RDONLY)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    socket.setdefaulttimeout(1)
    os.umask(0o77)
    if os.fork() == 0: os._exit(0)  # a dead child that nobody collects
    return {"found": found, "random": random.random(), "pid": os.getpid(), "cwd": os.getcwd(), "argv": sys.argv,
            "main": sorted(vars(sys.modules["__main__"]))[:1], "uid": os.getuid()}
`;

const TYPESCRIPT_TRACES = `
import { existsSync, writeFileSync } from "node:fs";
export function main() {
  const found = [
    ...("trace" in globalThis ? ["global"] : []), ...("TRACE" in process.env ? ["environment"] : []),
    ...(existsSync("trace") ? ["folder"] : []), ...("trace" in Object.prototype ? ["prototype"] : []),
  ];
  Object.assign(globalThis, { trace: true });
  Object.defineProperty(Object.prototype, "trace", { value: 1, configurable: true });
  process.env.TRACE = "1";
  writeFileSync("trace", "");
  return { found, random: Math.random(), cwd: process.cwd() };
}
`;

/** What holds a process: everything that a start from nothing sets must be the same in a fork. */
const WALLS = `
import os, resource
def readable(path):
    try:
        with open(path) as file: return len(file.read()) > 0
    except OSError: return False
def main():
    names = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs", "Seccomp")
    with open("/proc/self/status") as file:
        status = dict(line.rstrip().split(":", 1) for line in file)
    limits = ("NPROC", "NOFILE", "FSIZE", "CPU", "AS", "CORE")
    return {
        "status": {name: status[name].split()[-1:] if name not in ("Uid", "Gid") else status[name].split()[0] != "0" for name in names},
        "limits": {name: resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in limits},
        "root": sorted(os.listdir("/")), "dev": sorted(set(os.listdir("/dev")) - {"core"}), "accounts": readable("/etc/passwd"),
        "processes": len([name for name in os.listdir("/proc") if name.isdigit()]) < 5, "leader": os.getsid(0) > 0,
        "environment": sorted(name for name in os.environ if name not in ("PWD", "_", "LC_CTYPE")), "mounts": len(open("/proc/self/mounts").readlines()),
    }
`;

describe.each(["auto", "process"] as const)("warm processes, SANDBOX=%s", (requested) => {
  let warm: Warm;

  beforeAll(async () => {
    warm = await openWarm(requested);
  });
  afterAll(async () => {
    await warm.close();
  });

  it.each([
    ["python_script", PYTHON_TRACES],
    ["typescript_script", TYPESCRIPT_TRACES],
  ] as const)(
    "of a %s keep nothing of the execution before",
    async (type, code) => {
      await warm.warmUp(type, code);
      const outputs: JsonValue[] = [];
      for (let count = 0; count < 4; count += 1) outputs.push(await warm.run(type, code));
      const seen = outputs as unknown as { found: string[]; random: number; cwd: string }[];
      expect(seen.flatMap(({ found }) => found)).toEqual([]);
      expect(new Set(seen.map(({ random }) => random)).size).toBe(4);
      expect(new Set(seen.map(({ cwd }) => cwd)).size).toBe(4);
      expect(warm.starts.slice(-4)).toContain("pooled");
    },
    60_000,
  );

  it("stand behind the same walls as those that are started from nothing", async () => {
    // a variable that an interpreter reads as it starts makes it start
    const cold = await warm.run("python_script", WALLS, {}, { config: { env: { LC_ALL: "C.UTF-8" } } });
    expect(warm.starts.at(-1)).toBe("cold");
    await warm.warmUp("python_script", WALLS);
    const pooled = await warm.run("python_script", WALLS);
    const { environment, ...walls } = cold as { environment: string[] };
    expect(pooled).toEqual({
      ...walls,
      environment: environment.filter((name) => name !== "LC_ALL"),
    });
  }, 60_000);

  it("have secrets and variables of their own execution only", async () => {
    const code = "import os\ndef main():\n    return sorted(n for n in os.environ if n.startswith('T_'))";
    await warm.warmUp("python_script", code);
    expect(await warm.run("python_script", code, {}, { secrets: { T_SECRET: "s" } })).toEqual(["T_SECRET"]);
    expect(await warm.run("python_script", code, {}, { config: { env: { T_OWN: "1" } } })).toEqual(["T_OWN"]);
    expect(await warm.run("python_script", code)).toEqual([]);
  }, 60_000);

  it("show in /proc what marks their execution, and nothing of it that is secret", async () => {
    const code = `
import os
def main():
    with open("/proc/self/environ") as file: text = file.read()
    return {"isMarked": "HEADRACE_EXECUTION=" + os.environ["HEADRACE_EXECUTION"] + chr(0) in text, "isSecret": "hush" in text}`;
    await warm.warmUp("python_script", code);
    const output = await warm.run("python_script", code, {}, { secrets: { T_SECRET: "hush" } });
    expect(output).toEqual({ isMarked: true, isSecret: false });
  }, 60_000);

  it("are ended when the execution that took one never begins", async () => {
    const code = "def main():\n    return 1";
    await warm.warmUp("python_script", code);
    await sleep(300);
    const config = mcpConfigSchema.parse({ type: "python_script", code });
    const run = await startRun(
      warm.open("python_script"),
      config,
      {},
      {
        abortedWith: new ExecutionError("canceled", "too late"),
      },
    );
    await expect(run.finished).rejects.toMatchObject({ code: "canceled" });
    expect(await warm.run("python_script", code)).toBe(1);
  }, 60_000);

  it("are replaced when the process that forks them is killed", async () => {
    const code = "def main():\n    return 1";
    await warm.warmUp("python_script", code);
    for (const pid of await findZygotes()) process.kill(pid, "SIGKILL");
    await sleep(500);
    const outputs = await Promise.all(Array.from({ length: 4 }, () => warm.run("python_script", code)));
    expect(outputs).toEqual([1, 1, 1, 1]);
    await warm.warmUp("python_script", code);
  }, 60_000);
});

describe("a pool of warm processes", () => {
  it("leaves no process and no folder when it is closed", async () => {
    const warm = await openWarm("process");
    const code = "def main():\n    return 1";
    await warm.warmUp("python_script", code);
    const zygotes = await findZygotes();
    expect(zygotes.length).toBeGreaterThan(0);
    await warm.close();
    expect(zygotes.filter(isRunning)).toEqual([]);
    await expect(readdir(warm.worker.workdirs.root)).rejects.toThrow(/ENOENT/);
  }, 60_000);

  it("keeps no more than it may, and ends what is not used", async () => {
    const { worker, close } = await openWarm("process", 0);
    const { sandbox, workdirs } = worker;
    const ground = { sandbox, makeWorkdir: workdirs.make, removeWorkdir: workdirs.remove };
    const pool = createWarmPool({ ground, maxProcesses: 3, idleMs: 4_000 });
    const start = {
      command: "/bin/cat",
      args: [],
      readOnlyPaths: [],
      env: {},
      limitAddressSpace: false,
      files: {},
      links: {},
      memoryMb: 64,
      timeoutSeconds: 60,
      network: true,
    };
    const countFolders = async (): Promise<number> =>
      (await readdir(workdirs.root)).filter((name) => /^[0-9a-f]{8}-/.test(name)).length;
    try {
      pool.learn("once", start);
      await sleep(200);
      expect(await countFolders()).toBe(0); // nothing is kept for what ran only once
      for (const kind of ["a", "b", "c"]) {
        pool.learn(kind, start);
        pool.learn(kind, start);
        await sleep(400); // what is still being started cannot make room
      }
      await eventually("what had to make room is gone", async () => (await countFolders()) <= 3);
      expect(pool.take("c")).toBeDefined();
      await eventually("idle ones are ended", async () => (await countFolders()) === 1, 20_000); // the one that was taken is its taker's
    } finally {
      await pool.close();
      await close();
    }
  }, 60_000);
});

/** Processes that fork interpreters for this test. */
async function findZygotes(): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const [line, status] = await Promise.all([
        readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""),
        readFile(`/proc/${pid}/status`, "utf8").catch(() => ""),
      ]);
      const isOurs = new RegExp(`^PPid:\\t${process.pid}$`, "m").test(status);
      return line.includes("zygote.py") && isOurs ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}
