import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { JsonObject } from "../../src/core/json.js";
import { mcpConfigSchema } from "../../src/executors/registry.js";
import { ExecutionError } from "../../src/executors/types.js";
import { type RunOptions, startRun, type TestRun } from "../support/execution.js";
import { jupyter, notebookOf, openNotebooks } from "../support/notebooks.js";
import { describeWith } from "../support/requirements.js";

interface Ipynb {
  readonly nbformat: number;
  readonly metadata: JsonObject;
  readonly cells: {
    readonly cell_type: string;
    readonly source: string;
    readonly metadata: { readonly tags?: readonly string[] };
    readonly outputs?: readonly JsonObject[];
    readonly execution_count?: number | null;
  }[];
}

/** Processes that have a text in their command line or environment. */
function findProcesses(text: string): string[] {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return false;
    try {
      return ["cmdline", "environ"].some((file) =>
        readFileSync(`/proc/${name}/${file}`, "utf8").includes(text),
      );
    } catch {
      return false; // it has ended
    }
  });
}

describeWith(jupyter, "the notebook executor", () => {
  let opened: Awaited<ReturnType<typeof openNotebooks>>;
  beforeAll(async () => {
    opened = await openNotebooks({ isWarm: true });
  });
  afterAll(() => opened.close());

  const start = (config: object, input: JsonObject = {}, options: RunOptions = {}): Promise<TestRun> =>
    startRun(opened, mcpConfigSchema.parse(config), input, options);
  const run = async (config: object, input: JsonObject = {}, options: RunOptions = {}) => {
    const started = await start(config, input, options);
    const output = (await started.finished) as { result: unknown };
    return { ...started, result: output.result, output };
  };
  const fail = async (config: object, input: JsonObject = {}) => {
    const started = await start(config, input);
    const error = await started.finished.then(
      (output) => new Error(`gave ${JSON.stringify(output)}`),
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof ExecutionError)) throw error;
    return { ...started, error };
  };
  const readNotebook = ({ artifacts }: Pick<TestRun, "artifacts">): Ipynb =>
    JSON.parse(artifacts.find(({ name }) => name === "step.ipynb")?.bytes.toString() ?? "null") as Ipynb;
  const readPage = ({ artifacts }: Pick<TestRun, "artifacts">): string =>
    artifacts.find(({ name }) => name === "step.html")?.bytes.toString() ?? "";

  describe("result", () => {
    it.each([
      ["the variable outputs", ["outputs = {'a': [1, None]}", "5"], { a: [1, null] }],
      ["the last expression", ["1 + 1", "'é🎉'"], "é🎉"],
      ["the last expression, though other cells follow", ["{'a': 1.5}", "x = 1"], { a: 1.5 }],
      ["text where the value is no JSON", ["{1, 2}"], "{1, 2}"],
      ["null where there is no value", ["x = None\nx"], null],
      ["what was there when the notebook left in good order", ["7", "import sys; sys.exit(0)", "8"], 7],
      ["of top-level await", ["import asyncio\nawait asyncio.sleep(0.01, 'slept')"], "slept"],
    ])(
      "is %s",
      async (_, cells, result) => {
        expect((await run(notebookOf(cells))).result).toEqual(result);
      },
      20_000,
    );

    it.each([
      ["outputs = {'a': [float('inf')]}", "/a/0"],
      ["outputs = []\noutputs.append(outputs)", "/0"],
      ["outputs = {'text': 'a\\0b'}", "/text"],
    ])(
      "is refused with its place: %s",
      async (code, path) => {
        const { error } = await fail(notebookOf([code]));
        expect(error).toMatchObject({ code: "invalid_output", details: { path } });
      },
      20_000,
    );
  });

  describe("parameters", () => {
    const tagged = notebookOf([], {
      cells: [
        { cellType: "markdown", source: "# Title" },
        { cellType: "code", source: "a = 1\nb = 'default'", tags: ["parameters"] },
        { cellType: "code", source: "[a, b]" },
      ],
    });

    it("stand in a cell after the one tagged parameters", async () => {
      const ended = await run(tagged, { a: 5 });
      expect(ended.result).toEqual([5, "default"]);
      const { cells } = readNotebook(ended);
      expect(cells.map((cell) => cell.metadata.tags)).toEqual([
        undefined,
        ["parameters"],
        ["injected-parameters"],
        undefined,
      ]);
      expect(cells[2]?.source).toBe("# Parameters\na = 5");
    }, 20_000);

    it("come first where no cell is tagged, inputs over the configuration's", async () => {
      const ended = await run(notebookOf(["[a, b]"], { parameters: { a: 1, b: 2 } }), { b: 3 });
      expect(ended.result).toEqual([1, 3]);
      expect(readNotebook(ended).cells[0]?.metadata.tags).toEqual(["injected-parameters"]);
    }, 20_000);

    it("take the place of those of an earlier execution", async () => {
      const notebook = {
        nbformat: 4,
        nbformat_minor: 4,
        metadata: { title: "T" },
        cells: [
          {
            cell_type: "code",
            source: ["a = 9\n"],
            metadata: { tags: ["injected-parameters"] },
            outputs: [1],
          },
          { cell_type: "code", source: ["b = a\n", "b"], execution_count: 7, outputs: [{ old: true }] },
          { cell_type: "raw", source: "kept" },
        ],
      };
      const ended = await run({ type: "jupyter_notebook", notebook }, { a: 2 });
      expect(ended.result).toBe(2);
      const kept = readNotebook(ended);
      expect(kept.cells.map((cell) => cell.source)).toEqual(["# Parameters\na = 2", "b = a\nb", "kept"]);
      expect(kept.cells[1]).toMatchObject({
        execution_count: 2,
        outputs: [{ output_type: "execute_result" }],
      });
      expect(kept.metadata).toMatchObject({ title: "T", language_info: { name: "python" } });
    }, 20_000);

    it("keep every kind of JSON value", async () => {
      const value = {
        text: "žluť 🎉 \u2028 \" ' \\ \n {x} \u0001 \ud800",
        list: [1, -2.5, 1e300, true, false, null, { deep: [[]] }],
        "key with space": {},
        __proto: "p",
      };
      const echoed = notebookOf([
        "outputs = [v['list'], v['key with space'], v['text'].encode('utf-16', 'surrogatepass').hex()]",
      ]);
      const { result } = await run(echoed, { v: value });
      const utf16 = `fffe${Buffer.from(value.text, "utf16le").toString("hex")}`;
      expect(result).toEqual([value.list, {}, utf16]);
    }, 20_000);

    it.each([
      [{ class: 1 }, "class"],
      [{ "a-b": 1 }, "a-b"],
      [{ __builtins__: 1 }, "__builtins__"],
      [{ a: { b: [Number.NaN] } }, "a holds a number"],
    ])("%j are refused", async (input, message) => {
      const { error } = await fail(notebookOf(["1"]), input);
      expect(error).toMatchObject({ code: "invalid_input", message: expect.stringContaining(message) });
    });
  });

  describe("errors", () => {
    it("of a cell carry its place, name and a traceback without colours, and keep the notebook", async () => {
      const ended = await fail(notebookOf(["x = 1", "def f():\n    return x / 0\nf()", "print('never')"]));
      expect(ended.error).toMatchObject({
        code: "script_error",
        message: "Cell 1: ZeroDivisionError: division by zero",
        retryable: true,
        details: {
          cell: 1,
          ename: "ZeroDivisionError",
          notebook: { name: "step.ipynb" },
          html: { name: "step.html" },
        },
      });
      const { traceback } = ended.error.details as { traceback: string };
      expect(traceback).toContain("return x / 0");
      expect(traceback).not.toContain("\u001b");
      const { cells } = readNotebook(ended);
      expect(cells[1]?.outputs).toMatchObject([{ output_type: "error", ename: "ZeroDivisionError" }]);
      expect(cells[2]?.outputs).toEqual([]);
      expect(readPage(ended)).toContain("ZeroDivisionError");
      expect(ended.progress.at(-1)).toMatchObject({
        cell: 1,
        status: "failed",
        outputs: [{ type: "error", ename: "ZeroDivisionError" }],
      });
    }, 20_000);

    it.each([
      ["def broken(:", "SyntaxError", false],
      ["input('who?')", "StdinNotImplementedError", true],
    ])(
      "%s is a script error",
      async (code, ename, retryable) => {
        const { error } = await fail(notebookOf([code]));
        expect(error).toMatchObject({ code: "script_error", retryable, details: { ename, cell: 0 } });
      },
      20_000,
    );

    it.each([
      ["import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", { signal: "SIGKILL", cell: 1 }],
      ["import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", { signal: "SIGSEGV", cell: 1 }],
      ["import os\nos._exit(4)", { exitCode: 4, cell: 1 }],
    ])(
      "the kernel's death is told apart: %s",
      async (code, details) => {
        const ended = await fail(notebookOf(["print('before')", code]));
        expect(ended.error).toMatchObject({ code: "script_error", details });
        expect(ended.error.message).toContain("The kernel");
        expect(readNotebook(ended).cells[0]?.outputs).toMatchObject([{ text: "before\n" }]);
        expect(readPage(ended)).toContain("before");
      },
      20_000,
    );

    it.each([
      ["held", "x = bytearray(600 * 1024 * 1024)\nimport time; time.sleep(30)"],
      ["refused", "x = bytearray(40 << 30)"],
    ])(
      "too much memory, %s, is out_of_memory",
      async (_, code) => {
        const ended = await fail(notebookOf(["print('before')", code], { memoryMb: 128 }));
        expect(ended.error.code).toBe("out_of_memory");
        expect(readNotebook(ended).cells[0]?.outputs).toMatchObject([{ text: "before\n" }]);
      },
      30_000,
    );

    it("a kernel that is not installed is refused, and those that are get named", async () => {
      const { error, artifacts } = await fail(notebookOf(["1"], { kernel: "julia-1-9" }));
      expect(error).toMatchObject({ code: "invalid_input", retryable: false });
      expect(error.message).toMatch(/julia-1-9 is not installed here; these are: .*python3/);
      expect(artifacts).toEqual([]);
    }, 20_000);

    it("cells may raise what their tag allows, and be skipped", async () => {
      const cells = [
        { cellType: "code", source: "1/0", tags: ["raises-exception"] },
        { cellType: "code", source: "raise RuntimeError", tags: ["skip-execution"] },
        { cellType: "code", source: "'on'" },
      ];
      expect((await run({ type: "jupyter_notebook", cells })).result).toBe("on");
    }, 20_000);
  });

  describe("time-outs of cells", () => {
    it.each([
      ["a tag", { tags: ["timeout=1"] }, {}],
      ["the configuration", {}, { cellTimeoutSeconds: 1 }],
    ])(
      "come from %s, and interrupt the kernel",
      async (_, cell, config) => {
        const source = "import time\nprint('began')\ntime.sleep(60)";
        const startedAt = performance.now();
        const ended = await fail({
          type: "jupyter_notebook",
          cells: [{ cellType: "code", source, ...cell }],
          ...config,
        });
        expect(ended.error).toMatchObject({ code: "timeout", message: "Cell 0 took longer than 1 seconds" });
        expect(performance.now() - startedAt).toBeLessThan(15_000);
        const [only] = readNotebook(ended).cells;
        expect(only?.outputs).toMatchObject([{ text: "began\n" }, { ename: "KeyboardInterrupt" }]);
      },
      30_000,
    );

    it("kill a kernel that does not mind", async () => {
      const stubborn =
        "import time\nwhile True:\n    try: time.sleep(60)\n    except KeyboardInterrupt: print('no')";
      const ended = await fail(notebookOf([stubborn], { cellTimeoutSeconds: 1 }));
      expect(ended.error.code).toBe("timeout");
      expect(readNotebook(ended).cells[0]?.outputs).toMatchObject([{ text: "no\n" }]);
    }, 30_000);
  });

  it("keeps the notebook of a run that took too long", async () => {
    const started = await start(notebookOf(["print('pids', __import__('os').getpid())\nwhile True: pass"]));
    await started.waitForPids();
    started.abort(new ExecutionError("timeout", "took longer than 1 s"));
    await expect(started.finished).rejects.toMatchObject({
      code: "timeout",
      details: { notebook: { name: "step.ipynb" }, html: null },
    });
  }, 20_000);

  describe("outputs", () => {
    const PNG =
      "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    const SHOWS = `
from IPython.display import HTML, SVG, Image, display
import base64
display(Image(base64.b64decode("${PNG}")))
display(HTML("<script>alert(1)</script><b>bold</b>"))
print("y" * 10_000)
display(SVG('<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>'))
`;

    it("reach events as text, images and pages as artifacts, and never as markup", async () => {
      const ended = await run(notebookOf([SHOWS]));
      const last = ended.progress.at(-1) as { outputs: JsonObject[] };
      expect(JSON.stringify(ended.progress)).not.toContain("<script");
      expect(last.outputs).toMatchObject([
        { type: "display", artifact: { name: "cell-0-output-0.png", contentType: "image/png" } },
        { type: "display", artifact: { name: "cell-0-output-1.html", contentType: "text/html" } },
        { type: "stream", truncated: true },
        { type: "display", artifact: { name: "cell-0-output-3.svg", contentType: "image/svg+xml" } },
      ]);
      expect((last.outputs[2] as { text: string }).text).toHaveLength(4_000);
      const image = ended.artifacts.find(({ name }) => name.endsWith(".png"));
      expect(image?.bytes.toString("base64")).toBe(PNG);
    }, 20_000);

    it("stand in a page that loads nothing from elsewhere", async () => {
      const page = readPage(await run(notebookOf([SHOWS, "'the end'"])));
      expect(page).toContain(`data:image/png;base64,${PNG.slice(0, 40)}`);
      expect(page).toContain("the end");
      const svg = /<img src="data:image\/svg\+xml;base64,([^"]+)"/.exec(page)?.[1] ?? "";
      expect(Buffer.from(svg, "base64").toString()).toContain("<rect");
      const loaded = page.match(/<(?:script|link|img|iframe)[^>]*(?:src|href)="(?!data:)[^"]*"/g);
      expect(loaded).toBeNull();
    }, 20_000);

    it("follow updates of a display that an earlier cell made", async () => {
      const cells = [
        "from IPython.display import display\nh = display('one', display_id=True)",
        "h.update('two')",
      ];
      const ended = await run(notebookOf(cells));
      expect(readNotebook(ended).cells[0]?.outputs).toMatchObject([{ data: { "text/plain": "'two'" } }]);
    }, 20_000);

    it("are kept up to a limit, whatever a cell prints", async () => {
      const ended = await run(notebookOf(["for i in range(1500): print('y' * 10_000)", "'on'"]));
      expect(ended.result).toBe("on");
      const [first] = readNotebook(ended).cells;
      expect(JSON.stringify(first?.outputs).length).toBeLessThan(11 * 1024 * 1024);
      expect(JSON.stringify(first?.outputs)).toContain("more output than a notebook may keep");
    }, 30_000);

    it("of children of the kernel are logged once", async () => {
      const ended = await run(
        notebookOf(["import subprocess\nsubprocess.run(['echo', 'from below'])\nNone"]),
      );
      expect(ended.logs.filter(({ message }) => message === "from below")).toHaveLength(1);
    }, 20_000);
  });

  it("keeps what is written to the artifacts folder, and shows no environment of the worker", async () => {
    let text = "";
    process.env["JWT_SECRET"] = "hidden";
    try {
      const code =
        "import os\nopen('artifacts/report.txt', 'w').write('report')\noutputs = [os.environ.get('JWT_SECRET'), os.environ['REGION']]";
      const { result } = await run(
        notebookOf([code], { env: { REGION: "eu" } }),
        {},
        {
          async inspect(workdir) {
            text = await readFile(join(workdir, "artifacts/report.txt"), "utf8");
          },
        },
      );
      expect([text, result]).toEqual(["report", [null, "eu"]]);
    } finally {
      delete process.env["JWT_SECRET"];
    }
  }, 20_000);

  it("works without a network, to which the kernel's sockets do not belong", async () => {
    const code =
      "import errno, socket\ntry:\n    socket.create_connection(('192.0.2.1', 9), 1)\nexcept OSError as error: outputs = errno.errorcode[error.errno]";
    const ended = await run(notebookOf([code], { network: false }));
    expect(ended.result).toBe("ENETUNREACH");
  }, 20_000);

  describe("a retry from the failed cell", () => {
    const FLAKY =
      "if not os.path.exists('ready'):\n    open('ready', 'w').close()\n    raise ConnectionError('not yet')";
    const cells = [
      "import os\ncount = globals().get('count', 0) + 1\nprint('expensive')",
      FLAKY,
      "[count, factor]",
    ];
    const config = notebookOf(cells, { retryFrom: "failedCell", memoryMb: 300 });
    const startAttempt = (attempt: number, factor: number, given: object = config): Promise<TestRun> =>
      start(given, { factor }, { attempt });

    it("goes on in the kernel of the attempt before, with the same inputs alone", async () => {
      const first = await startAttempt(1, 7);
      await expect(first.finished).rejects.toMatchObject({ code: "script_error", details: { cell: 2 } });
      const other = await startAttempt(2, 8);
      await expect(other.finished).rejects.toMatchObject({ details: { ename: "ConnectionError" } });
      const second = await startAttempt(2, 7);
      expect(await second.finished).toMatchObject({ result: [1, 7] });
      expect(second.logs).toMatchObject([
        { stream: "system", message: expect.stringContaining("from cell 2") },
      ]);
      expect(second.progress.map(({ cell, status }) => [cell, status])).toEqual([
        [2, "started"],
        [2, "succeeded"],
        [3, "started"],
        [3, "succeeded"],
      ]);
      const kept = readNotebook(second).cells;
      expect(kept.map((cell) => cell.outputs?.length)).toEqual([0, 1, 0, 1]);
      expect(readPage(second)).toContain("expensive");
    }, 60_000);

    it("begins anew where the kernel has died, and where nobody asked for it", async () => {
      const dies = notebookOf(["x = 1", "import os\nos._exit(1)"], {
        retryFrom: "failedCell",
        memoryMb: 300,
      });
      for (const given of [dies, notebookOf(cells, { memoryMb: 300 })]) {
        const first = await startAttempt(1, 7, given);
        await expect(first.finished).rejects.toMatchObject({ code: "script_error" });
        const second = await startAttempt(2, 7, given);
        await expect(second.finished).rejects.toMatchObject({ code: "script_error" });
        expect(second.progress[0]).toMatchObject({ cell: 0, status: "started" });
      }
    }, 60_000);
  });

  describe("a warm kernel", () => {
    const config = notebookOf(["x = globals().get('x', 0) + 1\nopen('mark', 'a').write('x')\nx"], {
      memoryMb: 300,
    });
    const waitWarm = async (): Promise<string> => {
      const parsed = mcpConfigSchema.parse(config);
      for (let waited = 0; waited < 200; waited += 1) {
        const workdir = opened.executor.takeWorkdir?.(parsed);
        if (workdir !== undefined) return workdir;
        await sleep(100);
      }
      throw new Error("No kernel became warm");
    };
    const runIn = async (workdir: string, given: JsonObject = config) => {
      const parsed = mcpConfigSchema.parse(given);
      // what takeWorkdir would have given it
      const executor = { ...opened.executor, takeWorkdir: () => workdir };
      const started = await startRun({ ...opened, executor }, parsed, {});
      return { ...started, output: (await started.finished) as { result: unknown } };
    };

    it("serves one execution, so that nothing of it is left for the next", async () => {
      await run(config);
      const folders = new Set<string>();
      for (let round = 0; round < 3; round += 1) {
        const workdir = await waitWarm();
        folders.add(workdir);
        expect((await runIn(workdir)).output.result).toBe(1);
      }
      expect(folders.size).toBe(3);
    }, 60_000);

    it("costs at most 0.3 s over the cells' own time", async () => {
      const cells = ["import time\ntime.sleep(0.3)", "1 + 1", "print('x')"];
      const measure = async (execute: () => Promise<Pick<TestRun, "progress">>): Promise<number> => {
        const startedAt = performance.now();
        const { progress } = await execute();
        const own = progress.reduce((sum, report) => sum + Number(report["durationMs"] ?? 0), 0);
        return Math.round(performance.now() - startedAt - own);
      };
      const cold = await measure(() => run(notebookOf(cells, { memoryMb: 301 })));
      // a cold start costs about 1.8 s where nothing else runs; where much does, everything is slower alike
      const limit = Math.max(300, cold / 6);
      const warm: number[] = [];
      while (warm.length < 5 && !warm.some((overhead) => overhead < limit)) {
        const workdir = await waitWarm();
        await sleep(300); // the next kernel's start is not this one's cost
        warm.push(await measure(() => runIn(workdir, notebookOf(cells, { memoryMb: 300 }))));
      }
      if (process.env["SHOW_TIMES"]) process.stderr.write(`cold ${cold} ms, warm ${warm.join(", ")} ms\n`);
      expect(Math.min(...warm)).toBeLessThan(limit);
    }, 120_000);

    it("is only given to what it fits, and ended with the executor", async () => {
      const own = await openNotebooks({ isWarm: true });
      const parsed = mcpConfigSchema.parse(config);
      expect(own.executor.takeWorkdir?.(parsed)).toBeUndefined();
      const started = await startRun(own, parsed, {});
      await started.finished;
      let workdir: string | undefined;
      for (let waited = 0; waited < 200 && workdir === undefined; waited += 1) {
        await sleep(100);
        const other = mcpConfigSchema.parse({ ...config, memoryMb: 301 });
        expect(own.executor.takeWorkdir?.(other)).toBeUndefined();
        workdir = own.executor.takeWorkdir?.(parsed);
      }
      expect(workdir).toBeDefined();
      expect(findProcesses(own.worker.workdirs.root)).not.toEqual([]);
      await own.close();
      expect(findProcesses(own.worker.workdirs.root)).toEqual([]);
    }, 60_000);
  });
});
