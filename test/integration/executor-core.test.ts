import type { JsonObject } from "../../src/core/json.js";
import { type CoreSubject, describeExecutorCore } from "../contracts/executor-core.contract.js";
import { openExecutor } from "../support/open-executor.js";

const python = (code: string, more: JsonObject = {}): JsonObject => ({
  type: "python_script",
  code,
  ...more,
});

/** Scripts have a suite of their own; that they pass the core too shows that the core asks nothing of one type. */
const pythonScripts: CoreSubject = {
  name: "python_script",
  has: { logs: true, progress: true, tokens: false, secrets: true },
  open: async () => await openExecutor("python_script"),
  cases: () => ({
    succeeds: {
      config: python("def main(a, b): return {'sum': a + b}"),
      input: { a: 2, b: 40 },
      output: { sum: 42 },
    },
    logs: {
      config: python(
        "import sys, time\ndef main():\n    print('one')\n    print('oops', file=sys.stderr)\n    time.sleep(0.4)\n    print('two')",
      ),
      lines: [
        ["stdout", "one"],
        ["stderr", "oops"],
        ["stdout", "two"],
      ],
    },
    progress: {
      config: python(
        "import headrace\ndef main():\n    headrace.progress(0.25)\n    headrace.progress(1, 'done')",
      ),
      reports: [{ value: 0.25 }, { message: "done" }],
    },
    fails: {
      config: python("def main(**_): raise ValueError('kaput')"),
      code: "script_error",
      message: "kaput",
    },
    oversized: { config: python("def main(): return 'x' * 5000") },
    badInput: { config: python("def main(a): pass"), input: { b: 1 }, message: "lacks the input 'a'" },
    badConfigs: [
      [python(""), "/code"],
      [python("x", { foo: 1 }), "/foo"],
    ],
    hangs: {
      config: python(
        "import os, subprocess, time\ndef main():\n    child = subprocess.Popen(['sleep', '600'])\n    print('pids', os.getpid(), child.pid)\n    time.sleep(600)",
      ),
      waitUnderway: (run) => run.waitForPids(),
    },
    tellsSecret: {
      config: python(
        "import headrace, os, sys\ndef main():\n    secret = os.environ['API_TOKEN']\n    print(secret)\n    print(repr(secret), file=sys.stderr)\n    headrace.progress(1, secret)\n    return {'secret': secret}",
      ),
    },
  }),
};

describeExecutorCore(pythonScripts);
