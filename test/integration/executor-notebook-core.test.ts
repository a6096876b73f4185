import { expect } from "@jest/globals";
import { describeExecutorCore } from "../contracts/executor-core.contract.js";
import { jupyter, notebookOf, openNotebooks } from "../support/notebooks.js";
import { describeWith } from "../support/requirements.js";

const HANGS = `
import os, subprocess, time
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
print("pids", os.getpid(), child.pid, os.getppid())
time.sleep(600)
`;
const TELLS = `
import os, sys
from IPython.display import HTML, display
secret = os.environ["API_TOKEN"]
print(secret)
print(repr(secret), file=sys.stderr)
display(HTML("<b>" + secret + "</b>"))
outputs = {"secret": secret}
`;
const artifact = (name: string, contentType: string): unknown =>
  expect.objectContaining({ id: expect.any(String), name, contentType, sizeBytes: expect.any(Number) });

describeWith(jupyter, "notebooks", () => {
  describeExecutorCore({
    name: "jupyter_notebook",
    has: { logs: true, progress: true, tokens: false, secrets: true },
    open: () => openNotebooks(),
    cases: () => ({
      succeeds: {
        config: notebookOf(["sum = a + b", "{'sum': sum}"]),
        input: { a: 2, b: 40 },
        output: {
          result: { sum: 42 },
          notebook: artifact("step.ipynb", "application/x-ipynb+json"),
          html: artifact("step.html", "text/html"),
        },
      },
      logs: {
        config: notebookOf([
          "import sys, time\nprint('one', flush=True)\nprint('oops', file=sys.stderr, flush=True)\ntime.sleep(0.6)",
          "print('two', end='')",
        ]),
        lines: [
          ["stdout", "one"],
          ["stderr", "oops"],
          ["stdout", "two"],
        ],
      },
      progress: {
        config: notebookOf(["print('x')", "1 + 1"]),
        reports: [
          { cell: 0, total: 2, status: "started" },
          {
            cell: 0,
            total: 2,
            status: "succeeded",
            outputs: [{ type: "stream", name: "stdout", text: "x\n" }],
          },
          { cell: 1, status: "started" },
          {
            cell: 1,
            status: "succeeded",
            outputs: [{ type: "result", mimeTypes: ["text/plain"], text: "2" }],
          },
        ],
      },
      fails: {
        config: notebookOf(["1", "raise ValueError('kaput')"]),
        input: { a: 1, b: 2 },
        code: "script_error",
        message: "Cell 2: ValueError: kaput",
      },
      oversized: { config: notebookOf(["'x' * 5000"]) },
      badInput: {
        config: notebookOf(["1"]),
        input: { "not a name": 1, class: 2 },
        message: 'The input "not a name" is not the name of a Python variable; The input "class"',
      },
      badConfigs: [
        [{ type: "jupyter_notebook" }, "/notebook"],
        [notebookOf([]), "/cells"],
        [notebookOf(["1"], { notebook: { nbformat: 4, cells: [] } }), "/cells"],
        [{ type: "jupyter_notebook", notebook: { nbformat: 3, worksheets: [] } }, "/notebook/nbformat"],
        [{ type: "jupyter_notebook", notebook: { nbformat: 4 } }, "/notebook/cells"],
        [notebookOf(["1"], { cellTimeoutSeconds: 0 }), "/cellTimeoutSeconds"],
        [notebookOf(["1"], { parameters: { "a b": 1 } }), "/parameters/a b"],
      ],
      hangs: { config: notebookOf([HANGS]), waitUnderway: (run) => run.waitForPids() },
      tellsSecret: { config: notebookOf([TELLS]) },
    }),
  });
});
