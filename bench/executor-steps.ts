import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createExecutors, mcpConfigSchema } from "../src/executors/registry.js";
import { resolvePython } from "../src/executors/script/python-interpreter.js";
import type { ExecutionContext, Executor, McpType, SandboxLevel } from "../src/executors/types.js";
import { CLOSED_DOOR } from "../workers/execution/component-door.js";
import { createSecretMask } from "../workers/execution/secret-mask.js";
import { createSandbox } from "../workers/sandbox/create-sandbox.js";
import { measureForks } from "./fork-limit.js";
import type { Progress } from "./rounds.js";
import { PYTHON_STEP, TYPESCRIPT_STEP } from "./script-steps.js";
import { median } from "./statistics.js";

/** Executions in a row of which one sample is made. */
const BATCH = 20;
/** What an engine takes between two steps at the least: so long the next process has to become ready. */
const PAUSE_MS = 5;

/** What single executions took, without engine and database: milliseconds, a median for each round. */
export interface ExecutorFigures {
  readonly level: SandboxLevel;
  readonly forkMs: readonly number[];
  /** One right after another, and with a pause in between that is not counted. */
  readonly pythonMs: readonly number[];
  readonly pythonPausedMs: readonly number[];
  readonly typescriptMs: readonly number[];
}

/** Measures the executors of scripts at a level of the sandbox, with bare forks before and after each batch. */
export async function measureExecutors(options: {
  readonly level: SandboxLevel;
  readonly rounds: number;
  readonly progress: Progress;
}): Promise<ExecutorFigures> {
  const { level, rounds, progress } = options;
  const python = await resolvePython();
  const bench = await openExecutors(level);
  const figures = {
    forkMs: [] as number[],
    pythonMs: [] as number[],
    pythonPausedMs: [] as number[],
    typescriptMs: [] as number[],
  };
  try {
    for (const type of ["python_script", "typescript_script"] as const)
      await bench.batch(type, PAUSE_MS * 20);
    for (let round = 1; round <= rounds; round += 1) {
      const before = await measureForks(python, BATCH);
      await bench.batch("python_script", PAUSE_MS);
      figures.pythonPausedMs.push(median(await bench.batch("python_script", PAUSE_MS)));
      figures.pythonMs.push(median(await bench.batch("python_script", 0)));
      const after = await measureForks(python, BATCH);
      figures.forkMs.push(median([...before, ...after]));
      await bench.batch("typescript_script", PAUSE_MS);
      figures.typescriptMs.push(median(await bench.batch("typescript_script", 0)));
      const last = Object.entries(figures).map(([name, values]) => `${name} ${values.at(-1)?.toFixed(2)}`);
      progress(`round ${round}/${rounds} ${level}: ${last.join(", ")}`);
    }
  } finally {
    await bench.close();
  }
  return { level, ...figures };
}

async function openExecutors(level: SandboxLevel) {
  const root = await mkdtemp(join(tmpdir(), "headrace-bench-executors-"));
  await chmod(root, 0o755);
  const { sandbox, workdirs } = await createSandbox({ requested: level, workRoot: join(root, "work") });
  const executors = createExecutors({
    cacheRoot: join(workdirs.root, "cache"),
    ground: { sandbox, makeWorkdir: workdirs.make, removeWorkdir: workdirs.remove },
  });
  const configs = {
    python_script: mcpConfigSchema.parse({ type: "python_script", code: PYTHON_STEP }),
    typescript_script: mcpConfigSchema.parse({ type: "typescript_script", code: TYPESCRIPT_STEP }),
  };

  async function runOne(type: keyof typeof configs): Promise<number> {
    const executor = executors.get(type) as Executor;
    const of = { runId: "01900000-0000-7000-8000-000000000000", stepId: "step", attempt: 1 };
    const startedAt = performance.now();
    const workdir = executor.takeWorkdir?.(configs[type], { ...of, input: {} }) ?? (await workdirs.make());
    const context: ExecutionContext = {
      ...of,
      signal: new AbortController().signal,
      emit: { log: () => undefined, progress: () => undefined, token: () => undefined },
      sandbox,
      workdir,
      timeoutSeconds: 60,
      secrets: {},
      mask: createSecretMask([]),
      components: CLOSED_DOOR,
      artifacts: { save: () => Promise.reject(new Error("There are none")) },
      limits: { maxOutputBytes: 1024 * 1024 },
    };
    const output = await executor.execute(configs[type], {}, context);
    const tookMs = performance.now() - startedAt;
    if (output !== 55) throw new Error(`fib(10) is not ${JSON.stringify(output)}`);
    workdirs.removeSoon(workdir);
    return tookMs;
  }

  return {
    async batch(type: keyof typeof configs & McpType, pauseMs: number): Promise<number[]> {
      const times: number[] = [];
      for (let index = 0; index < BATCH; index += 1) {
        if (pauseMs > 0) await sleep(pauseMs);
        times.push(await runOne(type));
      }
      return times;
    },
    async close(): Promise<void> {
      await Promise.all([...executors.values()].map((executor) => executor.close?.()));
      await sandbox.close();
      await workdirs.settle();
      await rm(root, { recursive: true, force: true });
    },
  };
}
