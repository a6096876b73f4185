import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect, createServer as createNetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { SandboxCommand, SandboxExit } from "../../src/executors/types.js";
import {
  createSandbox,
  SandboxUnavailableError,
  type WorkerSandbox,
} from "../../workers/sandbox/create-sandbox.js";
import { makeFallbackRoot, openWorkdirs } from "../../workers/sandbox/workdir.js";
import { bubblewrap, describeWith } from "../support/requirements.js";
import { isRunning, listProcessesIn, toOuterPids } from "../support/execution.js";

const isRoot = process.getuid?.() === 0;
const itAsRoot = isRoot ? it : it.skip;

interface Seen {
  readonly exit: SandboxExit;
  readonly stdout: string;
  readonly stderr: string;
  readonly workdir: string;
}

async function runIn(
  worker: WorkerSandbox,
  script: string,
  extra: Partial<SandboxCommand> = {},
): Promise<Seen> {
  const workdir = await worker.workdirs.make();
  try {
    const child = await worker.sandbox.start({
      command: "/bin/sh",
      args: ["-c", script],
      env: {},
      cwd: workdir,
      memoryMb: 256,
      timeoutSeconds: 20,
      network: true,
      ...extra,
    });
    const texts = { stdout: "", stderr: "" };
    child.onStdout((chunk) => (texts.stdout += chunk.toString()));
    child.onStderr((chunk) => (texts.stderr += chunk.toString()));
    child.endInput();
    return { exit: await child.exited, ...texts, workdir };
  } finally {
    await worker.workdirs.remove(workdir);
  }
}

describe("process sandbox", () => {
  let root: string;
  let worker: WorkerSandbox;
  const warnings: string[] = [];

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "headrace-sandbox-"));
    await chmod(root, 0o755);
    worker = await createSandbox({
      requested: "process",
      workRoot: join(root, "work"),
      warn: (message) => warnings.push(message),
    });
  });
  afterAll(async () => {
    await worker.sandbox.close();
    await rm(root, { recursive: true, force: true });
  });

  it("says its level and each weakness", () => {
    expect(worker.sandbox.level).toBe("process");
    expect(worker.sandbox.reasons.length).toBeGreaterThan(0);
    expect(warnings).toEqual(worker.sandbox.reasons);
  });

  it("takes by itself the strongest that can be had", async () => {
    const auto = await createSandbox({ requested: "auto", workRoot: join(root, "work") });
    try {
      const lacks = auto.sandbox.reasons.filter((reason) => reason.includes("cannot be had"));
      expect(auto.sandbox.level).toBe((["namespace", "landlock", "process"] as const)[lacks.length]);
      if (bubblewrap.isMet && process.env["CI"] === "true") expect(auto.sandbox.level).toBe("namespace");
    } finally {
      await auto.sandbox.close();
    }
  });

  it("takes nothing weak by itself in production, and says what stronger levels lack", async () => {
    // an interpreter that no step can run: every level with walls fails its probe
    const broken = join(root, "broken-python");
    await writeFile(
      broken,
      '#!/bin/sh\n[ "$1" = -I ] && [ "$2" = -c ] && echo 11 && echo "$0"\n[ -w /etc ]\n',
      { mode: 0o700 },
    );
    const options = { workRoot: join(root, "work"), isProduction: true, python: broken };
    const refused = createSandbox({ requested: "auto", ...options });
    await expect(refused).rejects.toThrow(SandboxUnavailableError);
    await expect(refused).rejects.toThrow(
      /SANDBOX=namespace cannot be had: .*SANDBOX=landlock cannot be had: .*SANDBOX=process/,
    );
    await expect(createSandbox({ requested: "namespace", ...options })).rejects.toThrow(
      /^SANDBOX=namespace cannot be had: /,
    );
    const named = await createSandbox({ requested: "process", ...options });
    await named.sandbox.close();
  });

  itAsRoot("runs user code as an unprivileged user of the execution's own", async () => {
    const [first, second] = await Promise.all([
      runIn(worker, "sleep 0.2; id -u; id -G"),
      runIn(worker, "sleep 0.2; id -u; id -G"),
    ]);
    const uids = [first, second].map(({ stdout }) => Number(stdout.split("\n")[0]));
    for (const uid of uids) expect(uid).toBeGreaterThanOrEqual(61_000);
    expect(uids[0]).not.toBe(uids[1]);
    expect(first.stdout.split("\n")[1]).toBe(String(uids[0]));
  });

  itAsRoot("gives two workers of one machine different users", async () => {
    const other = await createSandbox({ requested: "process", workRoot: join(root, "work") });
    try {
      const seen = await Promise.all([runIn(worker, "sleep 0.2; id -u"), runIn(other, "sleep 0.2; id -u")]);
      expect(seen[0].stdout).not.toBe(seen[1].stdout);
    } finally {
      await other.sandbox.close();
    }
  });

  itAsRoot("keeps executions out of each other's folders and of the root's list", async () => {
    const secret = join(await worker.workdirs.make(), "artifacts", "secret");
    await writeFile(secret, "hidden", { mode: 0o644 });
    const { stdout, stderr } = await runIn(
      worker,
      `cat ${secret}; ls ${worker.workdirs.root}; echo done > own && cat own`,
    );
    expect(stdout).toBe("done\n");
    expect(stderr.match(/Permission denied/g)).toHaveLength(2);
  });

  itAsRoot("lets no program regain privileges", async () => {
    const { stdout } = await runIn(worker, "grep -E 'NoNewPrivs|CapEff' /proc/self/status");
    expect(stdout).toMatch(/NoNewPrivs:\s+1/);
    expect(stdout).toMatch(/CapEff:\s+0000000000000000/);
  });

  it("limits open files, file size and core dumps", async () => {
    const { stdout } = await runIn(worker, "ulimit -n; ulimit -f; ulimit -c");
    expect(stdout.trim().split("\n")).toEqual(["1024", String(1024 ** 3 / 512), "0"]);
  });

  itAsRoot("limits the number of processes, per execution", async () => {
    const bomb = "i=0; while [ $i -lt 400 ]; do sleep 30 & i=$((i+1)); done; wait";
    const work = runIn(worker, bomb);
    const neighbour = await runIn(worker, "sleep 0.3; echo fine");
    expect(neighbour.stdout).toBe("fine\n");
    const seen = await work;
    expect(seen.stderr).toMatch(/fork/i);
  });

  it("cuts off the network where that is asked for and the machine can", async () => {
    const server = createServer((_, response) => response.end("reached"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const code = `fetch("http://127.0.0.1:${port}").then((r) => r.text()).then(console.log, () => console.log("refused"))`;
    const command = { command: process.execPath, args: ["-e", code] };
    try {
      const open = await runIn(worker, "", { ...command, network: true });
      expect(open.stdout).toBe("reached\n");
      const closed = await runIn(worker, "", { ...command, network: false });
      const canCut = !worker.sandbox.reasons.some((reason) => reason.includes("network: false"));
      expect(closed.stdout).toBe(canCut ? "refused\n" : "reached\n");
    } finally {
      server.close();
    }
  });

  it("counts the memory of the whole tree, shared pages once", async () => {
    const python =
      "import os, time\nx = bytearray(b'1') * (100 << 20)\nfor i in range(4):\n  if os.fork() == 0:\n    time.sleep(0.6); os._exit(0)\nfor i in range(4): os.wait()\nprint('fits')";
    const shared = await runIn(worker, "", { command: "/usr/bin/python3", args: ["-c", python] });
    expect(shared).toMatchObject({ stdout: "fits\n", exit: { outOfMemory: false } });
    const own = python.replace("time.sleep(0.6)", "y = bytearray(b'2') * (100 << 20); time.sleep(5)");
    const exceeded = await runIn(worker, "", { command: "/usr/bin/python3", args: ["-c", own] });
    expect(exceeded.exit.outOfMemory).toBe(true);
  });

  itAsRoot("ends a fork bomb", async () => {
    const bomb =
      "import os, time\nwhile True:\n  try:\n    if os.fork() == 0: os.setsid()\n  except OSError: time.sleep(0.01)";
    const workdir = await worker.workdirs.make();
    const child = await worker.sandbox.start({
      command: "/usr/bin/python3",
      args: ["-c", bomb],
      env: {},
      cwd: workdir,
      memoryMb: 4_096,
      timeoutSeconds: 20,
      network: true,
    });
    await sleep(500);
    expect(listProcessesIn(workdir).length).toBeGreaterThan(20);
    const startedAt = performance.now();
    await child.kill(0);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    expect(listProcessesIn(workdir)).toEqual([]);
    await worker.workdirs.remove(workdir);
  });

  it("says why a program cannot be started, and lends its user to the next", async () => {
    const workdir = await worker.workdirs.make();
    await worker.workdirs.remove(workdir);
    await expect(
      worker.sandbox.start({
        command: "/bin/true",
        args: [],
        env: {},
        cwd: workdir,
        memoryMb: 64,
        timeoutSeconds: 1,
        network: true,
      }),
    ).rejects.toThrow();
    await expect(runIn(worker, "echo ok")).resolves.toMatchObject({ stdout: "ok\n" });
  });

  itAsRoot("finds a root that its users can reach when the wanted one is closed to them", async () => {
    const closed = join(root, "closed");
    await mkdir(closed, { mode: 0o700 });
    const other = await createSandbox({ requested: "process", workRoot: join(closed, "work") });
    try {
      expect(other.workdirs.root).toBe(await makeFallbackRoot(join(closed, "work")));
      const { stdout } = await runIn(other, "id -u; touch artifacts/x && echo written");
      expect(stdout).toMatch(/^6\d{4}\nwritten\n$/);
    } finally {
      await other.sandbox.close();
      await rm(other.workdirs.root, { recursive: true, force: true });
    }
  });

  itAsRoot(
    "falls back to the worker's user, and says what to do, when an interpreter is out of reach",
    async () => {
      const closed = join(root, "private");
      await mkdir(closed, { mode: 0o700 });
      const python = join(closed, "python3");
      await writeFile(
        python,
        '#!/bin/sh\n[ "$2" = "-c" ] && case "$3" in "import sys"*) echo 11; echo "$0"; exit;; esac\nexit 1\n',
        { mode: 0o755 },
      );
      const other = await createSandbox({ requested: "process", workRoot: join(root, "work"), python });
      try {
        expect(other.sandbox.reasons[0]).toContain(python);
        expect(other.sandbox.reasons[0]).toMatch(/Install the interpreter where every user can read it/);
        expect((await runIn(other, "id -u")).stdout).toBe("0\n");
      } finally {
        await other.sandbox.close();
      }
    },
  );

  it("keeps the clean environment and the killing of trees at level none", async () => {
    const none = await createSandbox({ requested: "none", workRoot: join(root, "work") });
    try {
      expect(none.sandbox.level).toBe("none");
      const { stdout } = await runIn(none, "env | cut -d= -f1 | sort; sleep 600 & echo pid $!");
      expect(stdout).not.toContain("TEST_REDIS_URL");
      const pid = Number(/pid (\d+)/.exec(stdout)?.[1]);
      expect(isRunning(pid)).toBe(false);
    } finally {
      await none.sandbox.close();
    }
  });
});

describeWith(bubblewrap, "namespace sandbox", () => {
  let root: string;
  let worker: WorkerSandbox;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "headrace-namespace-"));
    await chmod(root, 0o755);
    worker = await createSandbox({ requested: "namespace", workRoot: join(root, "work") });
  });
  afterAll(async () => {
    await worker.sandbox.close();
    await rm(root, { recursive: true, force: true });
  });

  it("has no weakness to tell of", () => {
    expect(worker.sandbox).toMatchObject({ level: "namespace", reasons: [] });
  });

  it("joins a port of the step's own to what stands behind it, without any other network", async () => {
    const upper = createNetServer((socket) =>
      socket.on("data", (chunk) => socket.end(chunk.toString().toUpperCase())),
    );
    await new Promise<void>((resolve) => upper.listen(0, "127.0.0.1", resolve));
    const { port } = upper.address() as { port: number };
    const code = `import socket
with socket.create_connection(("127.0.0.1", 5432)) as there:
    there.sendall(b"said")
    print(there.recv(10).decode())`;
    try {
      const { stdout, stderr } = await runIn(worker, "", {
        command: "/usr/bin/python3",
        args: ["-c", code],
        network: false,
        forwards: [{ port: 5432, connect: async () => connect(port, "127.0.0.1") }],
      });
      expect({ stdout, stderr }).toEqual({ stdout: "SAID\n", stderr: "" });
    } finally {
      await new Promise((resolve) => upper.close(resolve));
    }
  });

  it("lets the worker reach a socket in the work folder, by the same path", async () => {
    const workdir = await worker.workdirs.make();
    const code = `import os, socket
server = socket.socket(socket.AF_UNIX)
server.bind(os.getcwd() + "/app.sock")
server.listen()
print("ready", flush=True)
server.accept()[0].sendall(b"hello")`;
    const child = await worker.sandbox.start({
      command: "/usr/bin/python3",
      args: ["-c", code],
      env: {},
      cwd: workdir,
      memoryMb: 256,
      timeoutSeconds: 20,
      network: false,
    });
    await new Promise<void>((resolve) => child.onStdout(() => resolve()));
    const said = await new Promise<string>((resolve, reject) =>
      connect(join(workdir, "app.sock"))
        .once("data", (chunk: Buffer) => resolve(chunk.toString()))
        .once("error", reject),
    );
    expect(said).toBe("hello");
    await child.exited;
    await worker.workdirs.remove(workdir);
  });

  it("tells exit codes and signals apart, and lets a program end in good order", async () => {
    expect((await runIn(worker, "exit 7")).exit).toMatchObject({ exitCode: 7, signal: null });
    expect((await runIn(worker, "kill -SEGV $$")).exit).toMatchObject({ exitCode: null, signal: "SIGSEGV" });
    const workdir = await worker.workdirs.make();
    const child = await worker.sandbox.start({
      command: "/bin/sh",
      args: ["-c", "trap 'echo cleaned; exit 3' TERM; echo ready; while :; do sleep 0.05; done"],
      env: {},
      cwd: workdir,
      memoryMb: 256,
      timeoutSeconds: 20,
      network: false,
    });
    let text = "";
    await new Promise<void>((resolve) =>
      child.onStdout((chunk) => {
        text += chunk.toString();
        resolve();
      }),
    );
    await child.kill(10_000);
    expect(await child.exited).toMatchObject({ exitCode: 3, signal: null });
    expect(text).toBe("ready\ncleaned\n");
    await worker.workdirs.remove(workdir);
  });

  it.each([true, false])("gives a program nothing that is not its own, network: %s", async (network) => {
    const { stdout } = await runIn(
      worker,
      "ls /proc/self/fd | sort -n | tr '\\n' ' '; tr '\\0' '\\n' < /proc/1/environ | cut -d= -f1 | sort | tr '\\n' ' '; tr '\\0' ' ' < /proc/1/cmdline",
      { env: { API_TOKEN: "secret-of-the-step" }, network },
    );
    // 4 is what ls has open; those of two digits and more may come from whoever started the tests
    expect(stdout).toMatch(/^0 1 2 3 4 (\d{2,} )*[A-Z]/);
    expect(stdout).toContain("HEADRACE_EXECUTION PATH ");
    expect(stdout).not.toContain("secret-of-the-step");
  });
});

describe("a worker that is killed", () => {
  const doomed = fileURLToPath(new URL("../support/doomed-worker.mjs", import.meta.url));
  const python = `
import os, subprocess, sys, time
def main():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writer, str(os.getpid()).encode())
            time.sleep(600)
        os._exit(0)
    print("pids", os.getpid(), child.pid, int(os.read(reader, 20)))
    while True:
        pass
`;
  const typescript = `
import { spawn, execFileSync } from "node:child_process";
export function main() {
  const child = spawn("/bin/sleep", ["600"], { stdio: "ignore" });
  const stray = execFileSync("/bin/sh", ["-c", "setsid /bin/sleep 600 >/dev/null 2>&1 & echo $!"]);
  console.log("pids", process.pid, child.pid, Number(String(stray)));
  for (;;) {}
}
`;

  it.each([
    ["python_script", "own-users", python],
    ["typescript_script", "own-users", typescript],
    ["python_script", "one-user", python],
    ["typescript_script", "one-user", typescript],
  ] as const)(
    "leaves nothing of a %s running for longer than a second (%s)",
    async (type, mode, code) => {
      const root = await mkdtemp(join(tmpdir(), "headrace-doomed-"));
      await chmod(root, 0o755);
      const worker = spawn(process.execPath, [doomed, root, type, mode, code], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      try {
        const pids = toOuterPids(await readPids(worker), root);
        expect(pids.filter(isRunning)).toHaveLength(3);
        worker.kill("SIGKILL");
        await sleep(1_000);
        expect(pids.filter(isRunning)).toEqual([]);
      } finally {
        worker.kill("SIGKILL");
        await rm(root, { recursive: true, force: true });
      }
    },
    30_000,
  );

  it("leaves folders that the next one sweeps away", async () => {
    const root = await mkdtemp(join(tmpdir(), "headrace-sweep-"));
    const workdirs = await openWorkdirs({ root });
    const own = await workdirs.make();
    const dead = own.replace(`-${process.pid}-`, "-999999999-");
    const foreign = join(root, `00000000-1-${"a".repeat(18)}`);
    const ancient = join(root, `00000000-1-${"b".repeat(18)}`);
    for (const folder of [dead, foreign, ancient, join(root, "keep")]) await mkdir(folder);
    await utimes(ancient, new Date(0), new Date(0));
    expect(await workdirs.sweep()).toBe(2);
    expect((await readdir(root)).sort()).toEqual(
      [own, foreign, "keep"].map((path) => path.split("/").at(-1)).sort(),
    );
    expect((await stat(own)).mode & 0o777).toBe(0o700);
    await rm(root, { recursive: true, force: true });
  });
});

function readPids(worker: ChildProcess): Promise<number[]> {
  return new Promise((resolve, reject) => {
    let text = "";
    worker.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const line = /^pids (.*)\n/m.exec(text)?.[1];
      if (line) resolve(line.split(" ").map(Number));
    });
    let errors = "";
    worker.stderr?.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    worker.once("exit", () => reject(new Error(`the worker ended: ${errors}`)));
  });
}
