import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { JsonObject } from "../../src/core/json.js";
import { createExecutors, mcpConfigSchema } from "../../src/executors/registry.js";
import type { McpType } from "../../src/executors/types.js";
import { createSandbox, type WorkerSandbox } from "../../workers/sandbox/create-sandbox.js";
import { type RunOptions, runOnce } from "../support/execution.js";

let root: string;
let worker: WorkerSandbox;
let executors: ReturnType<typeof createExecutors>;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "headrace-languages-"));
  await chmod(root, 0o755);
  worker = await createSandbox({ requested: "auto", workRoot: join(root, "work") });
  executors = createExecutors({ cacheRoot: join(worker.workdirs.root, ".cache") });
});
afterAll(async () => {
  await Promise.all([...executors.values()].map((executor) => executor.close?.()));
  await worker.sandbox.close();
  await rm(root, { recursive: true, force: true });
});

function run(type: McpType, code: string, input: JsonObject = {}, options: RunOptions = {}) {
  const executor = executors.get(type);
  if (!executor) throw new Error(`No executor for ${type}`);
  return runOnce(
    { executor, worker },
    mcpConfigSchema.parse({ type, code, ...options.config }),
    input,
    options,
  );
}

describe("Python scripts", () => {
  const python = (code: string, input?: JsonObject, options?: RunOptions) =>
    run("python_script", code, input, options);

  it.each([
    [
      "def main(a, b=2, *, c): pass",
      { x: 1 },
      "main() lacks the input 'a'; main() lacks the input 'c'; main() takes no input 'x'",
    ],
    ["def main(a, *, c=1): pass", {}, "main() lacks the input 'a'"],
    ["def main(a, /): pass", { a: 1 }, "main()"],
    ["import functools\nmain = functools.partial(lambda a, b: 1, 1)", {}, "missing a required argument: 'b'"],
  ])("%j refuses %j as invalid_input", async (code, input, message) => {
    await expect(python(code, input)).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringContaining(message),
      retryable: false,
    });
  });

  it.each([
    ["def main(a, b=2, *, c=3): return [a, b, c]", { a: 1 }, [1, 2, 3]],
    ["def main(a, **rest): return [a, rest]", { a: 1, z: 2 }, [1, { z: 2 }]],
    ["class Main:\n    def __call__(self, a): return a\nmain = Main()", { a: 1 }, 1],
    ["def main(): return (1, (2,)), {1: None}", {}, [[1, [2]], { "1": null }]],
    ["def main(): return 2 ** 60", {}, 2 ** 60],
    ["import sys\ndef main(): sys.exit()", {}, null],
    ["import sys\nprint('{\"a\": 1}')\nsys.exit(0)", {}, { a: 1 }],
    ["def helper(): pass\nif __name__ == '__main__': print('{\"ran\": true}')", {}, { ran: true }],
    ["def main(): return __name__\nif __name__ == '__main__': raise SystemExit(9)", {}, "script"],
    [
      "import pickle\nclass A: pass\ndef main(): return type(pickle.loads(pickle.dumps(A()))).__name__",
      {},
      "A",
    ],
    ["from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\ndef main(): return A(1).x", {}, 1],
    ["import headrace\nprint(headrace.inputs['n'])\nprint('{\"n\": 2}')", { n: 1 }, { n: 2 }],
    [
      "from multiprocessing import Pool\ndef f(x): return x * x\ndef main():\n    with Pool(2) as pool: return pool.map(f, [1, 2, 3])",
      {},
      [1, 4, 9],
    ],
  ])("%j gives its output", async (code, input, output) => {
    expect((await python(code, input)).output).toEqual(output);
  });

  it.each([
    ["def main(): return {'id': 2 ** 63 + 1}", "/id"],
    ["def main(): return [10 ** 400]", "/0"],
    ["def main(): return {'a': {'b': object()}}", "/a/b"],
    ["def main(): return {'a': {(1, 2): 1}}", "/a"],
    ["def main(): return {'a': b'x'}", "/a"],
    ["def main(): return {'a': '\\ud800'}", "/a"],
    ["def main():\n    x = []\n    for i in range(5000): x = [x]\n    return x", ""],
  ])("%j is refused with its place", async (code, path) => {
    await expect(python(code)).rejects.toMatchObject({ code: "invalid_output", details: { path } });
  });

  it("runs out of memory by MemoryError too", async () => {
    const code = "def main(): return len(bytearray(3 << 30))";
    await expect(python(code, {}, { config: { memoryMb: 64 } })).rejects.toMatchObject({
      code: "out_of_memory",
    });
  });

  it("shows causes, and only the frames of the script and what it called", async () => {
    const code =
      "import json\ndef load():\n    json.loads('{')\ndef main():\n    try:\n        load()\n    except ValueError as error:\n        raise RuntimeError('no luck') from error";
    await expect(python(code)).rejects.toMatchObject({
      message: "RuntimeError: no luck",
      details: {
        traceback: expect.stringMatching(
          /JSONDecodeError[^]*direct cause[^]*line 8, in main\n {4}raise RuntimeError/,
        ),
      },
    });
  });

  it("gives what a finished main returned although a thread of it never ends", async () => {
    const code =
      "import threading, time\ndef main():\n    threading.Thread(target=time.sleep, args=(600,)).start()\n    return 'done'";
    const startedAt = performance.now();
    expect((await python(code)).output).toBe("done");
    expect(performance.now() - startedAt).toBeLessThan(8_000);
  }, 20_000);

  it("keeps children of the script from speaking for it", async () => {
    const code =
      "import os, headrace\ndef main():\n    if os.fork() == 0:\n        headrace.progress(0.5)\n        return 'child'\n    os.wait()\n    return 'parent'";
    expect(await python(code)).toMatchObject({ output: "parent", progress: [] });
  });

  it("cannot be told to load other code by secrets", async () => {
    const secrets = { LD_PRELOAD: "/tmp/x.so" };
    await expect(python("x = 1", {}, { secrets })).rejects.toMatchObject({ code: "invalid_input" });
  });
});

describe("TypeScript scripts", () => {
  const typescript = (code: string, input?: JsonObject, options?: RunOptions) =>
    run("typescript_script", code, input, options);

  it.each([
    ["export default function ({ a }: { a: number }) { return a; }", { a: 1 }, 1],
    ["export default { main: ({ a }: { a: number }) => a };", { a: 1 }, 1],
    ["exports.main = ({ a }: { a: number }) => a;", { a: 1 }, 1],
    ["export default { main: 1 };\nconsole.log('{\"plain\": true}');", {}, { plain: true }],
    ["export const main = () => undefined;", {}, null],
    [
      "export const main = () => ({ at: new Date(0), none: undefined });",
      {},
      { at: "1970-01-01T00:00:00.000Z" },
    ],
    ["export const main = () => process.exit(0);", {}, null],
    ["export const main = async () => { setInterval(() => {}, 1000); return 1; };", {}, 1],
    ["const { sep } = require('node:path');\nexport const main = () => sep;", {}, "/"],
    ["import { inputs } from 'headrace';\nexport const main = () => inputs;", { a: [1] }, { a: [1] }],
    ["JSON.stringify = () => 'x';\nexport const main = () => [1];", {}, [1]],
    [
      "export class A<T> { constructor(private readonly x: T) {} get() { return this.x; } }\nexport const main = () => new A(3).get();",
      {},
      3,
    ],
    ["namespace N { export const x = 5; }\nexport const main = (): unknown => N.x satisfies number;", {}, 5],
  ])("%j gives its output", async (code, input, output) => {
    expect((await typescript(code, input)).output).toEqual(output);
  });

  it.each([
    ["export const main = () => ({ a: { b: 1n } });", "/a/b"],
    ["export const main = () => [() => 1];", "/0"],
    ["export const main = () => ({ m: new Map() });", "/m"],
    ["export const main = () => ({ p: Promise.resolve(1) });", "/p"],
    ["export const main = () => ({ s: '\\ud800' });", "/s"],
  ])("%j is refused with its place", async (code, path) => {
    await expect(typescript(code)).rejects.toMatchObject({ code: "invalid_output", details: { path } });
  });

  it.each([
    ["export const main = () => new Promise(() => {});", "nothing will ever settle"],
    ["await new Promise(() => {});", "nothing will ever settle"],
    ["export const main = () => { throw 'text'; };", "thrown: text"],
    [
      "export const main = () => { Promise.reject(new Error('floating')); return new Promise((r) => setTimeout(r, 5000)); };",
      "floating",
    ],
    ["import x from 'absent-package';\nexport const main = () => x;", "absent-package"],
    ["export const main = () => { process.abort(); };", "SIGABRT"],
    ["console.log('x'); process.exitCode = 4;", "exit code 4"],
  ])("%j is a script error", async (code, message) => {
    await expect(typescript(code)).rejects.toMatchObject({
      code: "script_error",
      message: expect.stringContaining(message),
    });
  });

  it("names lines of the source as it was written", async () => {
    const code =
      "interface A {\n  x: number;\n}\n\nenum E { One }\n\nfunction inner(a: A): never {\n  throw new TypeError(`bad ${a.x}`);\n}\nexport const main = () => inner({ x: E.One });";
    await expect(typescript(code)).rejects.toMatchObject({
      message: "TypeError: bad 0",
      details: { traceback: expect.stringMatching(/at inner \(script\.ts:8:9\)\n.*script\.ts:10:27/) },
    });
  });
});
