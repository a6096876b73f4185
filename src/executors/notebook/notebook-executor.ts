import type { JsonObject, JsonValue } from "../../core/json.js";
import { throwIfAborted, toSecretEnv } from "../script/script-executor.js";
import { type ExecutionContext, ExecutionError, type Executor, type WarmGround } from "../types.js";
import type { NotebookConfig } from "./definition.js";
import { HelperPool } from "./helper-pool.js";
import { buildNotebook, listCellTimeouts } from "./notebook-document.js";
import { type HelperFit, type NotebookHelper, startHelper } from "./notebook-helper.js";
import { findNotebookInterpreter } from "./notebook-interpreter.js";
import { toNotebookResult } from "./notebook-outcome.js";
import { type NotebookJob, type NotebookRun, runNotebook } from "./notebook-run.js";

/** What notebooks need. */
export interface NotebookExecutorDeps {
  /** The setting `PYTHON`. */
  readonly python?: string | undefined;
  /** Where kernels are kept warm; without it each execution starts its own. */
  readonly ground?: WarmGround | undefined;
}

const NOTEBOOK_TYPE = "application/x-ipynb+json";

/**
 * The executor of `jupyter_notebook`: a kernel of its own for each execution, in the sandbox, and another started
 * in advance for the next. The interpreter is looked for at the first execution.
 */
export function createNotebookExecutor({ python, ground }: NotebookExecutorDeps): Executor<NotebookConfig> {
  let interpreter: Promise<string> | undefined;

  async function findPython(): Promise<string> {
    interpreter ??= findNotebookInterpreter(python).then(({ path }) => path);
    try {
      return await interpreter;
    } catch (error) {
      interpreter = undefined; // it may be installed before the next try
      throw new ExecutionError("internal", (error as Error).message, { cause: error });
    }
  }

  const pool = ground && new HelperPool({ ground, findPython });

  async function start(fit: HelperFit, { sandbox, workdir, timeoutSeconds }: ExecutionContext) {
    return await startHelper({ ...fit, sandbox, workdir, timeoutSeconds, python: await findPython() });
  }

  return {
    type: "jupyter_notebook",
    takeWorkdir: (config) => pool?.take(fitOf(config)),
    async execute(config, input, context) {
      const { signal } = context;
      let helper = pool?.claim(context.workdir);
      const onAbort = (): void => void helper?.kill();
      signal.addEventListener("abort", onAbort, { once: true });
      try {
        throwIfAborted(signal);
        const job = toJob(config, input, context);
        const isOver = pool?.expect(fitOf(config));
        try {
          helper ??= await start(fitOf(config), context);
          throwIfAborted(signal);
          return await executeNotebook(helper, job, context);
        } finally {
          isOver?.();
        }
      } finally {
        signal.removeEventListener("abort", onAbort);
        await helper?.kill();
      }
    },
    close: async () => await pool?.close(),
  };
}

function fitOf({ kernel, memoryMb, network }: NotebookConfig): HelperFit {
  return { kernel, memoryMb, network };
}

function toJob(config: NotebookConfig, input: JsonObject, context: ExecutionContext): NotebookJob {
  const notebook = buildNotebook(config, input);
  const cellTimeouts = listCellTimeouts(notebook, config.cellTimeoutSeconds);
  return { notebook, cellTimeouts, env: { ...config.env, ...toSecretEnv(context) } };
}

async function executeNotebook(
  helper: NotebookHelper,
  job: NotebookJob,
  context: ExecutionContext,
): Promise<JsonValue> {
  const { signal, limits } = context;
  const run = runNotebook(helper, job, context);
  const ending = await run.ended;
  if (!isTimeout(signal)) throwIfAborted(signal);
  const files = ending.hasBegun ? await keep(run, job, context) : {};
  try {
    throwIfAborted(signal);
    return { result: toNotebookResult(ending, limits.maxOutputBytes), ...files };
  } catch (error) {
    if (!(error instanceof ExecutionError)) throw error;
    throw new ExecutionError(error.code, error.message, {
      details: { ...(error.details as JsonObject | undefined), ...files },
      retryable: error.retryable,
      cause: error,
    });
  }
}

/** A notebook that failed is kept too: it shows how far it came, and what it printed. */
async function keep(
  run: NotebookRun,
  { notebook }: NotebookJob,
  context: ExecutionContext,
): Promise<JsonObject> {
  const { artifacts, mask, signal } = context;
  // the parameters stand in it, and what cells printed: secrets among them are hidden before anything is made of it
  const shown = mask.json(notebook as unknown as JsonObject) as JsonObject;
  const name = context.stepId;
  const bytes = Buffer.from(`${JSON.stringify(shown, null, 1)}\n`);
  const saved = await artifacts.save({ name: `${name}.ipynb`, contentType: NOTEBOOK_TYPE }, bytes);
  const html = signal.aborted ? undefined : await run.render(shown, name);
  if (html === undefined) return { notebook: { ...saved }, html: null };
  const page = await artifacts.save({ name: `${name}.html`, contentType: "text/html" }, Buffer.from(html));
  return { notebook: { ...saved }, html: { ...page } };
}

function isTimeout(signal: AbortSignal): boolean {
  return signal.reason instanceof ExecutionError && signal.reason.code === "timeout";
}
