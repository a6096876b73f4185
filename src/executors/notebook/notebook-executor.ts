import type { JsonObject, JsonValue } from "../../core/json.js";
import { throwIfAborted, toSecretEnv } from "../script/script-executor.js";
import { type ExecutionContext, ExecutionError, type Executor, type WarmGround } from "../types.js";
import type { NotebookConfig } from "./definition.js";
import { type HeldKernel, HeldKernels, keyOf } from "./held-kernels.js";
import { HelperPool } from "./helper-pool.js";
import { buildNotebook, listCellTimeouts } from "./notebook-document.js";
import { type HelperFit, type NotebookHelper, startHelper } from "./notebook-helper.js";
import { findNotebookInterpreter, NOTEBOOK_REMEDY } from "./notebook-interpreter.js";
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
      const message = `${(error as Error).message}. To have it: ${NOTEBOOK_REMEDY}`;
      throw new ExecutionError("internal", message, { cause: error });
    }
  }

  const pool = ground && new HelperPool({ ground, findPython });
  const held = ground && new HeldKernels(ground);

  async function start(fit: HelperFit, { sandbox, workdir, timeoutSeconds }: ExecutionContext) {
    return await startHelper({ ...fit, sandbox, workdir, timeoutSeconds, python: await findPython() });
  }

  return {
    type: "jupyter_notebook",
    takeWorkdir(config, execution) {
      const isRetry = execution !== undefined && execution.attempt > 1 && config.retryFrom === "failedCell";
      const earlier = isRetry && held?.take(keyOf(config, execution, execution.input), execution.attempt);
      return earlier || pool?.take(fitOf(config));
    },
    keepsWorkdir: (workdir) => held?.has(workdir) ?? false,
    async execute(config, input, context) {
      const { signal } = context;
      const earlier = held?.claim(context.workdir);
      let helper = earlier?.helper ?? pool?.claim(context.workdir);
      const onAbort = (): void => void helper?.kill();
      signal.addEventListener("abort", onAbort, { once: true });
      const isOver = pool?.expect(fitOf(config));
      let isHeld = false;
      try {
        throwIfAborted(signal);
        const job = toJob(config, input, context, earlier);
        helper ??= await start(fitOf(config), context);
        throwIfAborted(signal);
        const ended = await executeNotebook(helper, job, context);
        if (!("error" in ended)) return ended.output;
        const { cell, error } = ended;
        if (held && cell !== undefined && error.retryable && config.retryFrom === "failedCell") {
          const { attempt } = context;
          held.hold({ key: keyOf(config, context, input), helper, notebook: job.notebook, cell, attempt });
          isHeld = true;
        }
        throw error;
      } finally {
        signal.removeEventListener("abort", onAbort);
        isOver?.();
        if (!isHeld) await helper?.kill();
      }
    },
    async close() {
      await Promise.all([pool?.close(), held?.close()]);
    },
  };
}

function fitOf({ kernel, memoryMb, network }: NotebookConfig): HelperFit {
  return { kernel, memoryMb, network };
}

function toJob(
  config: NotebookConfig,
  input: JsonObject,
  context: ExecutionContext,
  earlier: HeldKernel | undefined,
): NotebookJob {
  const notebook = earlier?.notebook ?? buildNotebook(config, input);
  const cellTimeouts = listCellTimeouts(notebook, config.cellTimeoutSeconds);
  const env = { ...config.env, ...toSecretEnv(context) };
  if (!earlier) return { notebook, cellTimeouts, env };
  const { cell, attempt } = earlier;
  context.emit.log("system", `Goes on from cell ${cell} in the kernel of attempt ${attempt}`);
  return { notebook, cellTimeouts, env, from: cell };
}

/** The output, or why there is none, with the cell from which its kernel could go on. */
type Executed = { readonly output: JsonValue } | { readonly error: ExecutionError; readonly cell?: number };

async function executeNotebook(
  helper: NotebookHelper,
  job: NotebookJob,
  context: ExecutionContext,
): Promise<Executed> {
  const { signal, limits } = context;
  const run = runNotebook(helper, job, context);
  const ending = await run.ended;
  if (!isTimeout(signal)) throwIfAborted(signal);
  const files = ending.hasBegun ? await keep(run, job, context) : {};
  try {
    throwIfAborted(signal);
    return { output: { result: toNotebookResult(ending, limits.maxOutputBytes), ...files } };
  } catch (cause) {
    if (!(cause instanceof ExecutionError)) throw cause;
    const { code, message, retryable } = cause;
    const details = { ...(cause.details as JsonObject | undefined), ...files };
    const error = new ExecutionError(code, message, { details, retryable, cause });
    const isStanding = ending.said?.type === "error" && ending.said.canContinue && !signal.aborted;
    return { error, ...(isStanding && { cell: ending.said.cell }) };
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
