import type { JsonObject } from "../../core/json.js";
import type { ExecutionContext, SandboxExit } from "../types.js";
import type { HelperMessage, HelperMessageOf } from "./helper-messages.js";
import type { NotebookDocument } from "./notebook-document.js";
import type { NotebookHelper } from "./notebook-helper.js";
import { watchNotebook } from "./notebook-watch.js";

/** What a helper is given to do. */
export interface NotebookJob {
  /** Filled with outputs as its cells end. */
  readonly notebook: NotebookDocument;
  readonly cellTimeouts: readonly (number | null)[];
  readonly env: Readonly<Record<string, string>>;
}

/** How the cells came to their end. */
export interface NotebookEnding {
  /** What the helper said last; undefined when it ended without a word. */
  readonly said: HelperMessageOf<"result"> | HelperMessageOf<"error"> | undefined;
  /** Set when the helper has ended. */
  readonly exit: SandboxExit | undefined;
  /** False when there was no kernel for the cells. */
  readonly hasBegun: boolean;
  readonly isOversized: boolean;
  readonly stderrTail: readonly string[];
}

/** A helper at work on one notebook. */
export interface NotebookRun {
  /** Resolves when the cells have ended, whichever way; events have been emitted by then. */
  readonly ended: Promise<NotebookEnding>;
  /** The page of this notebook; undefined when it cannot be had, which is said in the log. */
  render(notebook: JsonObject, title: string): Promise<string | undefined>;
}

const RENDER_LIMIT_MS = 30_000;
const NO_RENDERER = "No HTML of the notebook: nbconvert is missing (apt-get install python3-nbconvert)";
const NO_PAGE = "The HTML of the notebook could not be made";

/** Has a helper execute a notebook. */
export function runNotebook(
  helper: NotebookHelper,
  job: NotebookJob,
  context: ExecutionContext,
): NotebookRun {
  const watch = watchNotebook(job.notebook, context);
  const said = withResolver<NotebookEnding["said"]>();
  const page = withResolver<HelperMessageOf<"html"> | undefined>();
  const state = { hasBegun: false, isOversized: false };

  function take(message: HelperMessage): void {
    if (message.type === "ready") {
      state.hasBegun = true;
      watch.takeReady(message);
    } else if (message.type === "cell") watch.takeCell(message);
    else if (message.type === "outputs") watch.takeOutputs(message);
    else if (message.type === "html") page.resolve(message);
    else said.resolve(message);
  }

  helper.listen({
    onMessage: take,
    onStdout: watch.onStdout,
    onStderr: watch.onStderr,
    onOverflow() {
      state.isOversized = true;
      void helper.kill();
    },
  });
  helper.send({
    type: "run",
    notebook: job.notebook as unknown as JsonObject,
    cellTimeouts: [...job.cellTimeouts],
    env: { ...job.env },
    maxOutputBytes: context.limits.maxOutputBytes,
  });

  async function end(): Promise<NotebookEnding> {
    let exit: SandboxExit | undefined;
    const outcome = await Promise.race([said.promise, helper.exited.then((how) => void (exit = how))]);
    await watch.finish();
    return { said: outcome, exit, stderrTail: watch.stderrTail, ...state };
  }

  async function render(notebook: JsonObject, title: string): Promise<string | undefined> {
    helper.send({ type: "render", notebook, title });
    const timer = setTimeout(() => page.resolve(undefined), RENDER_LIMIT_MS);
    const made = await Promise.race([page.promise, helper.exited.then(() => undefined)]);
    clearTimeout(timer);
    if (typeof made?.html === "string") return made.html;
    context.emit.log("system", made?.hasRenderer === false ? NO_RENDERER : NO_PAGE);
    return undefined;
  }

  return { ended: end(), render };
}

function withResolver<Value>(): { promise: Promise<Value>; resolve: (value: Value) => void } {
  let resolve: (value: Value) => void = () => undefined;
  const promise = new Promise<Value>((done) => (resolve = done));
  return { promise, resolve };
}
