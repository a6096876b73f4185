import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "../../src/core/json.js";
import { createExecutors, mcpConfigSchema } from "../../src/executors/registry.js";
import type { McpType } from "../../src/executors/types.js";
import { createSandbox, type WorkerSandbox } from "../../workers/sandbox/create-sandbox.js";
import { createProcessSandbox } from "../../workers/sandbox/process-sandbox.js";
import { openWorkdirs } from "../../workers/sandbox/workdir.js";
import {
  type ContractPrograms,
  describeExecutorContract,
  type ExecutorSubject,
} from "../contracts/executor.contract.js";

const PYTHON_TREE = `
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
def stray():
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writer, str(os.getpid()).encode())
            # no descriptor, no relative and no environment of ours is left
            os.execve(sys.executable, [sys.executable, "-I", "-c", stubborn], {})
        os._exit(0)
    os.wait()
    return int(os.read(reader, 20))
def main():
    child = subprocess.Popen([sys.executable, "-I", "-c", stubborn])
    print("pids", os.getpid(), child.pid, stray())
    while True:
        time.sleep(1)
`;

const pythonPrograms: ContractPrograms = {
  sum: "def main(a, b):\n    return {'sum': a + b}",
  asyncSum: "import asyncio\nasync def main(a, b):\n    await asyncio.sleep(0.01)\n    return {'sum': a + b}",
  echo: "def main(**inputs):\n    return inputs",
  prints:
    "import sys, time\ndef main():\n    print('one')\n    time.sleep(0.4)\n    print('oops', file=sys.stderr)\n    print('two', end='')",
  oddOutput: "import sys\nprint('x' * 150000)\nsys.stdout.buffer.write(b'\\xff\\xfe\\n')",
  floods: "def main(n):\n    for i in range(n):\n        print(i)",
  progress: "import headrace\ndef main():\n    headrace.progress(0.25)\n    headrace.progress(1, 'done')",
  printsJson:
    "import json, os\nprint('hello')\nif __name__ == '__main__':\n    print(json.dumps({'rows': json.loads(os.environ['MCP_INPUTS'])['n']}))",
  printsText: "print('a')\nprint('b')",
  readsFile:
    "import json, os\nassert 'MCP_INPUTS' not in os.environ\nprint(json.dumps({'length': len(json.load(open(os.environ['MCP_INPUTS_FILE']))['text'])}))",
  raises: "def main():\n    raise ValueError('kaput')",
  isBroken: "x = 1\ndef main(:\n    pass",
  exits: "import sys\ndef main():\n    sys.exit(3)",
  crashes: "import os, signal\ndef main():\n    os.kill(os.getpid(), signal.SIGSEGV)",
  returnsNan: "def main():\n    return {'a': [float('nan')]}",
  returnsCircle: "def main():\n    x = {}\n    x['self'] = x\n    return x",
  returnsText: "def main(n):\n    return {'text': 'x' * (n - 11 + 11)}",
  returnsProto: "def main():\n    return {'__proto__': {'admin': True}}",
  returnsNul: "def main():\n    return {'text': 'a\\0b'}",
  eatsMemory:
    "import subprocess, sys, time\ndef main():\n    subprocess.run([sys.executable, '-c', 'import time; x = bytearray(b\"1\") * (600 << 20); time.sleep(60)'])\n    time.sleep(60)",
  eatsHeap: "def main():\n    x = []\n    while True:\n        x.append('y' * 10_000_000)",
  writesArtifact:
    "import headrace\ndef main():\n    with open(headrace.artifacts_dir + '/report.txt', 'w') as file:\n        file.write('report')",
  listsEnv: "import os\ndef main():\n    return {'names': sorted(os.environ)}",
  spawnsTree: PYTHON_TREE,
  leavesChild:
    "import subprocess, sys\ndef main():\n    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True, env={})\n    print('pids', child.pid)",
};

const TYPESCRIPT_TREE = `
import { spawn, execFileSync } from "node:child_process";
process.on("SIGTERM", () => {});
const stubborn = "trap '' TERM; while true; do sleep 1; done";
export async function main(): Promise<void> {
  const child = spawn("/bin/sh", ["-c", stubborn], { stdio: "ignore" });
  const stray = execFileSync("/bin/sh", ["-c", \`setsid /usr/bin/env -i /bin/sh -c "\${stubborn}" >/dev/null 2>&1 & echo $!\`]);
  console.log("pids", process.pid, child.pid, Number(String(stray)));
  await new Promise((resolve) => setTimeout(resolve, 600_000));
}
`;

const typescriptPrograms: ContractPrograms = {
  sum: "interface In { a: number; b: number }\nenum Mode { On = 1 }\nexport function main({ a, b }: In) { return { sum: a + b * Mode.On }; }",
  asyncSum: "export default async (input: { a: number; b: number }) => ({ sum: input.a + input.b });",
  echo: "export const main = (input: unknown) => input;",
  prints:
    'export async function main() { console.log("one"); await new Promise((r) => setTimeout(r, 400)); console.error("oops"); process.stdout.write("two"); }',
  oddOutput: 'console.log("x".repeat(150000)); process.stdout.write(Buffer.from([0xff, 0xfe, 10]));',
  floods: "export function main({ n }: { n: number }) { for (let i = 0; i < n; i += 1) console.log(i); }",
  progress:
    'import { progress } from "headrace";\nexport function main() { progress(0.25); progress(1, "done"); }',
  printsJson:
    'const { n } = JSON.parse(process.env.MCP_INPUTS!);\nconsole.log("hello");\nconst rows = await Promise.resolve(n);\nconsole.log(JSON.stringify({ rows }));',
  printsText: 'console.log("a"); console.log("b");',
  readsFile:
    'import { readFileSync } from "node:fs";\nif (process.env.MCP_INPUTS) throw new Error("both");\nconst { text } = JSON.parse(readFileSync(process.env.MCP_INPUTS_FILE!, "utf8"));\nconsole.log(JSON.stringify({ length: text.length }));',
  raises: 'export function main(): never {\n  throw new RangeError("kaput");\n}',
  isBroken: "const x = 1;\nexport function main( { return x; }",
  exits: "export function main() { process.exit(3); }",
  crashes:
    'export async function main() { process.kill(process.pid, "SIGSEGV"); await new Promise((r) => setTimeout(r, 5000)); }',
  returnsNan: "export const main = () => ({ a: [Number.NaN] });",
  returnsCircle: "export function main() { const x: Record<string, unknown> = {}; x.self = x; return x; }",
  returnsText: 'export const main = ({ n }: { n: number }) => ({ text: "x".repeat(n) });',
  returnsProto: 'export const main = () => JSON.parse(\'{"__proto__":{"admin":true}}\');',
  returnsNul: 'export const main = () => ({ text: "a\\0b" });',
  eatsMemory:
    "export async function main() { const x = Buffer.alloc(600 * 1024 * 1024, 1); await new Promise((r) => setTimeout(r, 60000)); return x.length; }",
  eatsHeap:
    "export function main() { const x: unknown[] = []; for (;;) x.push(new Array(1000).fill({ a: x.length })); }",
  writesArtifact:
    'import { writeFileSync } from "node:fs";\nimport { artifactsDir } from "headrace";\nexport function main() { writeFileSync(artifactsDir + "/report.txt", "report"); }',
  listsEnv: "export const main = () => ({ names: Object.keys(process.env).sort() });",
  spawnsTree: TYPESCRIPT_TREE,
  leavesChild:
    'import { spawn } from "node:child_process";\nexport function main() { const child = spawn("/bin/sleep", ["600"], { detached: true, stdio: "ignore", env: {} }); console.log("pids", child.pid); }',
};

/** The worker's sandbox as the machine allows it. */
function openSandbox(root: string): Promise<WorkerSandbox> {
  return createSandbox({ requested: "auto", workRoot: join(root, "work") });
}

/** As on a worker that is not root: user code runs as the worker itself. */
async function openSharedUserSandbox(root: string): Promise<WorkerSandbox> {
  const options = { level: "process", ownUsers: false, reasons: [], warn: () => undefined } as const;
  return {
    sandbox: await createProcessSandbox(options),
    workdirs: await openWorkdirs({ root: join(root, "work") }),
  };
}

function subjectOf(
  type: McpType,
  programs: ContractPrograms,
  raisedAt: string,
  open: (root: string) => Promise<WorkerSandbox> = openSandbox,
): ExecutorSubject {
  return {
    name: open === openSandbox ? type : `${type} without users of its own`,
    programs,
    raisedAt,
    async open() {
      const root = await mkdtemp(join(tmpdir(), "headrace-scripts-"));
      await chmod(root, 0o755);
      const worker = await open(root);
      const { sandbox, workdirs } = worker;
      const ground = { sandbox, makeWorkdir: workdirs.make, removeWorkdir: workdirs.remove };
      const executor = createExecutors({ cacheRoot: join(workdirs.root, ".cache"), ground }).get(type);
      if (!executor) throw new Error(`No executor for ${type}`);
      return {
        worker,
        executor,
        async close() {
          await executor.close?.();
          await worker.sandbox.close();
          await rm(root, { recursive: true, force: true });
        },
      };
    },
    toConfig: (code: string, extra: JsonObject = {}) => mcpConfigSchema.parse({ type, code, ...extra }),
  };
}

const PYTHON_PLACE = 'File "script.py", line 2, in main';

describeExecutorContract(subjectOf("python_script", pythonPrograms, PYTHON_PLACE));
describeExecutorContract(subjectOf("typescript_script", typescriptPrograms, "script.ts:2:"));

// A stray is known by its user or, without users, by its environment; one that clears that too can then escape.
const markedPrograms: ContractPrograms = {
  ...pythonPrograms,
  spawnsTree: pythonPrograms.spawnsTree.replace("stubborn], {})", "stubborn], os.environ)"),
  leavesChild: pythonPrograms.leavesChild.replace(", env={}", ""),
};
describeExecutorContract(subjectOf("python_script", markedPrograms, PYTHON_PLACE, openSharedUserSandbox));
