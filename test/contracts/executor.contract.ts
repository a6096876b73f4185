import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { JsonObject } from "../../src/core/json.js";
import { ExecutionError, type Executor } from "../../src/executors/types.js";
import type { WorkerSandbox } from "../../workers/sandbox/create-sandbox.js";
import { isRunning, listProcessesIn, runOnce, startRun } from "../support/execution.js";

/** Programs that an executor of scripts must be able to run; each is code in its language. */
export interface ContractPrograms {
  /** Returns `{ sum: a + b }`. */
  readonly sum: string;
  /** The same by an asynchronous main. */
  readonly asyncSum: string;
  /** Returns its inputs. */
  readonly echo: string;
  /** Prints "one", waits 400 ms, prints "two" without a line end, writes "oops" to stderr, returns null. */
  readonly prints: string;
  /** Prints a line of 150,000 characters "x", then the bytes `ff fe 0a`. */
  readonly oddOutput: string;
  /** Prints the numbers below the input n, one a line and without a pause, and returns null. */
  readonly floods: string;
  /** Reports progress 0.25 and 1 with the message "done", returns null. */
  readonly progress: string;
  /** No main: prints "hello", then the JSON object `{"rows": <the inputs' n>}` from MCP_INPUTS. */
  readonly printsJson: string;
  /** No main: prints "a" and "b". */
  readonly printsText: string;
  /** No main: prints how many characters the input `text` has, read from MCP_INPUTS_FILE, as `{"length": n}`. */
  readonly readsFile: string;
  /** Raises an error with the message "kaput" on its line 2. */
  readonly raises: string;
  /** Is no valid program. */
  readonly isBroken: string;
  /** Exits with code 3. */
  readonly exits: string;
  /** Kills itself with SIGSEGV. */
  readonly crashes: string;
  /** Returns not-a-number at /a/0. */
  readonly returnsNan: string;
  /** Returns an object that contains itself at /self. */
  readonly returnsCircle: string;
  /** Returns `{ text: "x" × n }` for the input n. */
  readonly returnsText: string;
  /** Returns `{ "__proto__": { "admin": true } }` as data. */
  readonly returnsProto: string;
  /** Returns a text with a NUL at /text. */
  readonly returnsNul: string;
  /** Holds 600 MiB, outside any managed heap, and waits. */
  readonly eatsMemory: string;
  /** Grows the managed heap without end. */
  readonly eatsHeap: string;
  /** Writes "report" to artifacts/report.txt by the module's name of the folder; returns null. */
  readonly writesArtifact: string;
  /** Returns the names of all environment variables as `{ names: [...] }`. */
  readonly listsEnv: string;
  /**
   * Ignores SIGTERM; starts a child that does too, and one that double-forks and leaves group and session;
   * prints "pids A B C" (its own and theirs), then waits for ever.
   */
  readonly spawnsTree: string;
  /** Leaves a detached child running, prints "pids B" and returns null. */
  readonly leavesChild: string;
}

/** One implementation under test. */
export interface ExecutorSubject {
  readonly name: string;
  open(): Promise<{ executor: Executor; worker: WorkerSandbox; close(): Promise<void> }>;
  /** A valid configuration with this code. */
  toConfig(code: string, extra?: JsonObject): unknown;
  readonly programs: ContractPrograms;
  /** What the traceback of `raises` says of the place. */
  readonly raisedAt: string;
}

/** What every executor of scripts promises. */
export function describeExecutorContract(subject: ExecutorSubject): void {
  describe(`executor contract: ${subject.name}`, () => {
    let opened: Awaited<ReturnType<ExecutorSubject["open"]>>;
    const { programs } = subject;

    beforeAll(async () => {
      opened = await subject.open();
    });
    afterAll(async () => {
      await opened.close();
    });

    const execute = (code: string, input: JsonObject = {}, extra: Parameters<typeof runOnce>[3] = {}) =>
      runOnce(opened, subject.toConfig(code, extra.config), input, extra);

    describe("output", () => {
      it("is what main returns, called with the inputs", async () => {
        const { output } = await execute(programs.sum, { a: 2, b: 40 });
        expect(output).toEqual({ sum: 42 });
      });

      it("is awaited when main is asynchronous", async () => {
        const { output } = await execute(programs.asyncSum, { a: 1, b: 2 });
        expect(output).toEqual({ sum: 3 });
      });

      it("keeps every kind of JSON value", async () => {
        const value = { text: "žluť 🎉 \u2028", list: [1, -2.5, true, null, { deep: [[]] }], empty: {} };
        const { output } = await execute(programs.echo, { value });
        expect(output).toEqual({ value });
      });

      it("is the last line of stdout when that is a JSON object and there is no main", async () => {
        const { output, logs } = await execute(programs.printsJson, { n: 7 });
        expect(output).toEqual({ rows: 7 });
        expect(logs.map((line) => line.message)[0]).toBe("hello");
      });

      it("is all of stdout otherwise", async () => {
        const { output } = await execute(programs.printsText);
        expect(output).toEqual({ rawStdout: "a\nb\n" });
      });

      it("keeps a member named __proto__ as data", async () => {
        const { output } = await execute(programs.returnsProto);
        expect(JSON.stringify(output)).toBe('{"__proto__":{"admin":true}}');
        expect(({} as { admin?: boolean }).admin).toBeUndefined();
      });
    });

    describe("logs", () => {
      it("come while the script runs, the last line without its end too", async () => {
        const { logs } = await execute(programs.prints);
        expect(logs.map(({ stream, message }) => [stream, message])).toEqual(
          expect.arrayContaining([
            ["stdout", "one"],
            ["stdout", "two"],
            ["stderr", "oops"],
          ]),
        );
        const atMs = (message: string): number => logs.find((line) => line.message === message)?.atMs ?? 0;
        expect(atMs("two") - atMs("one")).toBeGreaterThan(250);
      });

      it("cut long lines and replace what is no UTF-8", async () => {
        const { logs } = await execute(programs.oddOutput);
        const messages = logs.map((line) => line.message);
        expect(messages.slice(0, 3).map((message) => message.length)).toEqual([65_536, 65_536, 18_928]);
        expect(messages[3]).toBe("\uFFFD\uFFFD");
      });

      it("come whole from a script that writes faster than it is read and ends at once", async () => {
        const { logs } = await execute(programs.floods, { n: 100_000 });
        expect(logs).toHaveLength(100_000);
        expect(logs.at(-1)?.message).toBe("99999");
      });
    });

    it("reports progress", async () => {
      const { progress } = await execute(programs.progress);
      expect(progress).toEqual([{ value: 0.25 }, { value: 1, message: "done" }]);
    });

    it("gives inputs above 64 KiB as a file", async () => {
      const { output } = await execute(programs.readsFile, { text: "é".repeat(100_000) });
      expect(output).toEqual({ length: 100_000 });
    });

    it("passes a megabyte of inputs to main", async () => {
      const { output } = await execute(programs.echo, { value: "x".repeat(1_000_000) });
      expect((output as { value: string }).value).toHaveLength(1_000_000);
    });

    it("keeps what is written to the artifacts folder", async () => {
      let text = "";
      await execute(
        programs.writesArtifact,
        {},
        {
          async inspect(workdir) {
            text = await readFile(join(workdir, "artifacts/report.txt"), "utf8");
          },
        },
      );
      expect(text).toBe("report");
    });

    it("shows user code nothing of the worker's environment", async () => {
      process.env["DATABASE_URL"] = "postgres://hidden";
      process.env["JWT_SECRET"] = "hidden";
      try {
        const { output } = await execute(
          programs.listsEnv,
          {},
          {
            secrets: { API_TOKEN: "t" },
            config: { env: { REGION: "eu" } },
          },
        );
        const { names } = output as { names: string[] };
        expect(names).toEqual(expect.arrayContaining(["API_TOKEN", "REGION", "MCP_INPUTS", "HOME", "PATH"]));
        const proxy = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];
        const own = [
          "HOME",
          "LANG",
          "LC_CTYPE",
          "LOGNAME",
          "PATH",
          "PWD",
          "TMPDIR",
          "USER",
          "HEADRACE_EXECUTION",
        ];
        const known = [...own, ...proxy, "NODE_USE_ENV_PROXY"];
        expect(
          names.filter((name) => ![...known, "API_TOKEN", "REGION", "MCP_INPUTS"].includes(name)),
        ).toEqual([]);
      } finally {
        delete process.env["DATABASE_URL"];
        delete process.env["JWT_SECRET"];
      }
    });

    describe("errors", () => {
      const fail = async (...args: Parameters<typeof execute>): Promise<ExecutionError> => {
        const error = await execute(...args).then(
          ({ output }) => new Error(`gave ${JSON.stringify(output)}`),
          (thrown: unknown) => thrown,
        );
        if (!(error instanceof ExecutionError)) throw error;
        return error;
      };

      it("name what the script raised, with its own place and without ours", async () => {
        const error = await fail(programs.raises);
        expect(error).toMatchObject({ code: "script_error", retryable: true });
        expect(error.message).toContain("kaput");
        const { traceback } = error.details as { traceback: string };
        expect(traceback).toContain(subject.raisedAt);
        expect(traceback).not.toMatch(/harness|\/tmp|node:internal/);
      });

      it("call a program that does not parse a script error that no retry mends", async () => {
        const error = await fail(programs.isBroken);
        expect(error).toMatchObject({ code: "script_error", retryable: false });
        expect(error.message).toMatch(/SyntaxError.*(line 2|:2:)/);
      });

      it("tell an exit code", async () => {
        const error = await fail(programs.exits);
        expect(error).toMatchObject({ code: "script_error", details: { exitCode: 3 } });
        expect(error.message).toContain("exit code 3");
      });

      it("tell a signal", async () => {
        const error = await fail(programs.crashes);
        expect(error).toMatchObject({ code: "script_error", details: { signal: "SIGSEGV" } });
        expect(error.message).toContain("SIGSEGV");
      });

      it.each([
        ["not a number", "returnsNan", "/a/0"],
        ["a circle", "returnsCircle", "/self"],
        ["a NUL", "returnsNul", "/text"],
      ] as const)("refuse %s with its place", async (_, program, path) => {
        const error = await fail(programs[program]);
        expect(error).toMatchObject({ code: "invalid_output", details: { path } });
        expect(error.message).toContain(path);
      });

      it("refuse an output over the limit and name the limit", async () => {
        const small = await execute(programs.returnsText, { n: 900 }, { maxOutputBytes: 1_000 });
        expect(small.output).toEqual({ text: "x".repeat(900) });
        const error = await fail(programs.returnsText, { n: 1_100 }, { maxOutputBytes: 1_000 });
        expect(error.code).toBe("invalid_output");
        expect(error.message).toContain("1000");
      });

      it.each(["eatsMemory", "eatsHeap"] as const)(
        "call %s out_of_memory",
        async (program) => {
          const error = await fail(programs[program], {}, { config: { memoryMb: 128 } });
          expect(error.code).toBe("out_of_memory");
        },
        30_000,
      );
    });

    describe("ends", () => {
      it.each([
        ["a cancel", new ExecutionError("canceled", "canceled by a person"), "canceled", 3_000],
        ["a time-out", new ExecutionError("timeout", "took longer than 1 s"), "timeout", 3_000],
      ] as const)(
        "the whole tree on %s",
        async (_, reason, code, limitMs) => {
          const run = await startRun(opened, subject.toConfig(programs.spawnsTree), {});
          const pids = await run.waitForPids();
          expect(pids.length).toBe(3);
          expect(pids.filter(isRunning)).toEqual(pids);
          const startedAt = performance.now();
          run.abort(reason);
          await expect(run.finished).rejects.toMatchObject({ code });
          expect(performance.now() - startedAt).toBeLessThan(limitMs);
          expect(pids.filter(isRunning)).toEqual([]);
        },
        30_000,
      );

      it("what a script left running", async () => {
        let left: number[] | undefined;
        const { logs } = await execute(
          programs.leavesChild,
          {},
          {
            async inspect(workdir) {
              left = listProcessesIn(workdir);
            },
          },
        );
        expect(logs.map(({ message }) => message)).toContainEqual(expect.stringMatching(/^pids \d+$/));
        expect(left).toEqual([]);
      });

      it("at once when it was aborted before it began", async () => {
        const run = await startRun(
          opened,
          subject.toConfig(programs.spawnsTree),
          {},
          {
            abortedWith: new ExecutionError("canceled", "too late"),
          },
        );
        await expect(run.finished).rejects.toMatchObject({ code: "canceled" });
        await sleep(50);
        expect(run.logs).toEqual([]);
      });
    });
  });
}
