import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { JsonObject, JsonValue } from "../../src/core/json.js";
import { mcpConfigSchema } from "../../src/executors/registry.js";
import { type AppStarter, ExecutionError, type Executor, type LogStream } from "../../src/executors/types.js";
import type { WorkerSandbox } from "../../workers/sandbox/create-sandbox.js";
import { createSecretMask } from "../../workers/execution/secret-mask.js";
import { isRunning, type RunOptions, startRun, type TestRun } from "../support/execution.js";

/** A component and what it is called with. `config` is what an author writes: the suite parses it. */
export interface CoreCase {
  readonly config: JsonObject;
  readonly input?: JsonObject;
}

/**
 * What each type of component shows of itself, whatever it runs: give one case for each promise. Leave a part out
 * only where the type cannot have it, and say why beside it (a prompt writes no log, for one).
 */
export interface CoreCases {
  /** Ends well. `output` is compared by `toEqual`, so that asymmetric matchers may stand in it. */
  readonly succeeds: CoreCase & { readonly output: unknown };
  /** Says these lines, in this order for each stream, the first at least 250 ms before the last. */
  readonly logs?: CoreCase & { readonly lines: readonly (readonly [LogStream, string])[] };
  /** Reports progress that contains each of these objects, in this order. */
  readonly progress?: CoreCase & { readonly reports: readonly Readonly<Record<string, unknown>>[] };
  /** Streams this text, in at least two tokens. */
  readonly tokens?: CoreCase & { readonly text: string };
  /** Fails by what its author wrote, or what answered; `message` is a part of the error's. */
  readonly fails: CoreCase & { readonly code: ExecutionError["code"]; readonly message: string };
  /** Gives an output of more than 1,000 bytes, though less than 100,000. */
  readonly oversized?: CoreCase;
  /** Is refused for its input. */
  readonly badInput: CoreCase & { readonly message: string };
  /** Configurations that no version may have, each with the JSON Pointer of its fault. */
  readonly badConfigs: readonly (readonly [JsonObject, string])[];
  /**
   * Never ends by itself. `waitUnderway` resolves when it is in the middle of it, with the process ids that must be
   * gone afterwards, if there are any.
   */
  readonly hangs: CoreCase & { waitUnderway(run: TestRun): Promise<readonly number[]> };
  /**
   * Says the secret `API_TOKEN` wherever it can: in its log, its output, its progress. The suite hands the secret
   * over as the runner does, and sees that the runner's mask finds it in whatever comes out.
   */
  readonly tellsSecret?: CoreCase;
}

/** One executor under test. */
export interface CoreSubject {
  /** Shown in the title, the component type for one. */
  readonly name: string;
  open(): Promise<{
    executor: Executor;
    worker: WorkerSandbox;
    /** What an execution starts apps with. */
    apps?(): Promise<AppStarter>;
    close(): Promise<void>;
  }>;
  /** Called after `open`, so that addresses of peers that it started can stand in the configurations. */
  cases(): CoreCases;
  /** Which optional parts the type has; decides which tests are there. */
  readonly has: Readonly<Record<"logs" | "progress" | "tokens" | "secrets", boolean>>;
  /** The output has one shape and cannot be large: what an author gives back comes another way, with a limit of its own. */
  readonly hasFixedOutput?: true;
}

const SECRET = "tok-9f/27 'wörd'";
/** From abort to rejection, everything ended. */
const ABORT_LIMIT_MS = 3_000;

/**
 * What every executor promises, whatever it runs: output, logs, progress, errors, limits, an end when it is told to,
 * and no way around the mask of secrets. Executors of scripts have a suite of their own besides.
 */
export function describeExecutorCore(subject: CoreSubject): void {
  describe(`executor core: ${subject.name}`, () => {
    let opened: Awaited<ReturnType<CoreSubject["open"]>>;
    let cases: CoreCases;

    beforeAll(async () => {
      opened = await subject.open();
      cases = subject.cases();
    }, 60_000);
    afterAll(async () => {
      await opened.close();
    });

    const start = async (given: CoreCase, options: RunOptions = {}): Promise<TestRun> => {
      const apps = await opened.apps?.();
      const config = mcpConfigSchema.parse(given.config);
      return await startRun(opened, config, given.input ?? {}, { ...options, ...(apps && { apps }) });
    };
    const fail = async (given: CoreCase, options: RunOptions = {}): Promise<ExecutionError> => {
      const run = await start(given, options);
      const ended = await run.finished.then(
        (output) => new Error(`gave ${JSON.stringify(output)}`),
        (thrown: unknown) => thrown,
      );
      if (!(ended instanceof ExecutionError)) throw ended;
      return ended;
    };
    const demand = <Part>(part: Part | undefined, name: string): Part => {
      if (part === undefined) throw new Error(`${subject.name} has no case for ${name}`);
      return part;
    };

    it("is of the type that its definition has", () => {
      expect(opened.executor.type).toBe(mcpConfigSchema.parse(cases.succeeds.config).type);
    });

    it("gives its output", async () => {
      const run = await start(cases.succeeds);
      expect(await run.finished).toEqual(cases.succeeds.output);
    }, 30_000);

    it("keeps two executions at once apart", async () => {
      const runs = await Promise.all([start(cases.succeeds), start(cases.fails), start(cases.succeeds)]);
      const ends = await Promise.allSettled(runs.map((run) => run.finished));
      expect(ends.map((end) => end.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    }, 60_000);

    if (subject.has.logs) {
      it("tells its log line by line while it runs", async () => {
        const { lines, ...given } = demand(cases.logs, "logs");
        const run = await start(given);
        await run.finished;
        for (const stream of ["stdout", "stderr", "system"] as const) {
          const wanted = lines.filter(([of]) => of === stream).map(([, message]) => message);
          const seen = run.logs.filter((line) => line.stream === stream).map((line) => line.message);
          expect(seen.filter((message) => wanted.includes(message))).toEqual(wanted);
        }
        const atMs = (message = ""): number => run.logs.find((line) => line.message === message)?.atMs ?? 0;
        expect(atMs(lines.at(-1)?.[1]) - atMs(lines[0]?.[1])).toBeGreaterThan(250);
      }, 30_000);
    }

    if (subject.has.progress) {
      it("reports its progress", async () => {
        const { reports, ...given } = demand(cases.progress, "progress");
        const run = await start(given);
        await run.finished;
        let at = 0;
        for (const report of reports) {
          const found = run.progress.findIndex((seen, index) => index >= at && contains(seen, report));
          if (found === -1) expect(run.progress.slice(at)).toContainEqual(expect.objectContaining(report));
          at = found + 1;
        }
      }, 30_000);
    }

    if (subject.has.tokens) {
      it("streams its text", async () => {
        const { text, ...given } = demand(cases.tokens, "tokens");
        const run = await start(given);
        await run.finished;
        expect(run.tokens.join("")).toBe(text);
        expect(run.tokens.length).toBeGreaterThan(1);
      }, 30_000);
    }

    describe("errors", () => {
      it("have their code and say what went wrong", async () => {
        const error = await fail(cases.fails);
        expect(error.code).toBe(cases.fails.code);
        expect(error.message).toContain(cases.fails.message);
        expect(JSON.stringify([error.message, error.details])).not.toMatch(/node:internal|\/dist\/src\//);
      }, 30_000);

      if (!subject.hasFixedOutput) {
        it("refuse an output over the limit and name the limit", async () => {
          const within = await start(demand(cases.oversized, "oversized"), { maxOutputBytes: 100_000 });
          expect(JSON.stringify(await within.finished).length).toBeGreaterThan(1_000);
          const error = await fail(demand(cases.oversized, "oversized"), { maxOutputBytes: 1_000 });
          expect(error.code).toBe("invalid_output");
          expect(error.message).toContain("1000");
        }, 30_000);
      }

      it("refuse an input that it cannot take, which no retry mends", async () => {
        const error = await fail(cases.badInput);
        expect(error).toMatchObject({ code: "invalid_input", retryable: false });
        expect(error.message).toContain(cases.badInput.message);
      }, 30_000);
    });

    it("has faults of its configuration named by their place", () => {
      expect(cases.badConfigs.length).toBeGreaterThan(0);
      for (const [config, path] of cases.badConfigs) {
        const paths = mcpConfigSchema
          .safeParse(config)
          .error?.issues.flatMap(({ path: at, ...issue }) =>
            issue.code === "unrecognized_keys"
              ? issue.keys.map((key) => pointer([...at, key]))
              : [pointer(at)],
          );
        expect([config, paths ?? []]).toEqual([config, expect.arrayContaining([path])]);
      }
    });

    describe("ends", () => {
      it.each([
        ["a cancel", new ExecutionError("canceled", "canceled by a person")],
        ["a time-out", new ExecutionError("timeout", "took longer than 1 s")],
      ])(
        "at once, with all that it started, on %s",
        async (_, reason) => {
          const run = await start(cases.hangs);
          const pids = await cases.hangs.waitUnderway(run);
          expect(pids.filter(isRunning)).toEqual(pids);
          const startedAt = performance.now();
          run.abort(reason);
          await expect(run.finished).rejects.toMatchObject({ code: reason.code });
          expect(performance.now() - startedAt).toBeLessThan(ABORT_LIMIT_MS);
          expect(pids.filter(isRunning)).toEqual([]);
        },
        60_000,
      );

      it("before it has begun when it was aborted before", async () => {
        const tooLate = new ExecutionError("canceled", "too late");
        const run = await start(cases.hangs, { abortedWith: tooLate });
        await expect(run.finished).rejects.toMatchObject({ code: "canceled" });
        await sleep(50);
        expect([run.logs, run.progress, run.tokens]).toEqual([[], [], []]);
      });
    });

    if (subject.has.secrets) {
      it("has no way out for a secret that the runner's mask does not cover", async () => {
        const run = await start(demand(cases.tellsSecret, "tellsSecret"), {
          secrets: { API_TOKEN: SECRET },
        });
        const output = await run.finished.catch((error: ExecutionError) => [
          error.message,
          error.details ?? null,
        ]);
        const mask = createSecretMask([SECRET]);
        const lines = run.logs.map((line) => line.message);
        const said: JsonValue = [output as JsonValue, lines, run.progress, run.tokens.join("")];
        // it did come out, or this shows nothing
        expect(JSON.stringify(said)).toContain("9f/27");
        expect(JSON.stringify(mask.json(said))).not.toContain("9f/27");
        // what is kept as a file no mask of the runner sees: the executor must have hidden it
        for (const { name, bytes } of run.artifacts)
          expect([name, bytes.includes("9f/27")]).toEqual([name, false]);
      }, 30_000);
    }
  });
}

function contains(whole: JsonObject, part: Readonly<Record<string, unknown>>): boolean {
  return Object.entries(part).every(([key, value]) => JSON.stringify(whole[key]) === JSON.stringify(value));
}

function pointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part)}`).join("");
}
