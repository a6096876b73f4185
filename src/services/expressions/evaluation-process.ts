import { type ChildProcess, fork } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { toError } from "../../errors/app-error.js";
import { EvaluationError } from "../evaluation-types.js";

/** What the process is asked to do; see `runtime/evaluation-process.mjs`. */
export type EvaluationJob =
  | {
      readonly kind: "evaluate";
      readonly text: string;
      readonly bindings: unknown;
      readonly timeoutMs: number;
    }
  | { readonly kind: "renderTemplate"; readonly text: string; readonly bindings: unknown }
  | { readonly kind: "inspectTemplate"; readonly text: string }
  | { readonly kind: "validate"; readonly schemaText: string; readonly value: unknown }
  | { readonly kind: "inspectSchema"; readonly schemaText: string }
  | {
      readonly kind: "inspectExpressions";
      readonly texts: readonly string[];
      readonly names?: readonly string[] | undefined;
    };

/** One child process that does one job at a time. After `isDead` it is of no use. */
export interface EvaluationProcess {
  readonly isDead: boolean;
  /**
   * Does one job; the caller waits for the one before.
   * @throws EvaluationError when the job fails, or outlives `deadlineMs`: then the process is killed.
   */
  run(job: EvaluationJob, deadlineMs: number): Promise<unknown>;
  /** Kills it. Resolves when it is gone. */
  end(): Promise<void>;
}

/** Heap of one process: enough for any sane mapping, and soon exhausted by a bomb. */
const NODE_OPTIONS = ["--max-old-space-size=128", "--max-semi-space-size=32"];
/** A process that is not up by then never will be. */
const START_TIMEOUT_MS = 15_000;
/** How V8 dies when the heap is full. */
const MEMORY_SIGNALS: readonly (string | null)[] = ["SIGABRT", "SIGTRAP", "SIGILL"];

interface Reply {
  readonly ready?: true;
  readonly id?: number;
  readonly value?: unknown;
  readonly error?: string;
}

interface Waiting {
  readonly id: number;
  settle(reply: Reply | Error): void;
}

/** The program is plain JavaScript that the build does not copy: it is found beside the sources. */
function programPath(): string {
  const beside = new URL("./runtime/evaluation-process.mjs", import.meta.url);
  const inSources = new URL(
    "../../../../src/services/expressions/runtime/evaluation-process.mjs",
    import.meta.url,
  );
  return fileURLToPath(existsSync(beside) ? beside : inSources);
}

function startProgram(): ChildProcess {
  const child = fork(programPath(), [], {
    cwd: tmpdir(),
    env: {},
    execArgv: NODE_OPTIONS,
    serialization: "advanced",
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  child.unref();
  child.channel?.unref();
  return child;
}

/** One question at a time to a child process, and what became of it. */
function openDialogue(child: ChildProcess) {
  let isDead = false;
  let waiting: Waiting | undefined;
  let nextId = 0;
  let markReady: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => {
    markReady = resolve;
  });
  const gone = new Promise<void>((resolve) => {
    const fail = (error: Error) => {
      isDead = true;
      markReady();
      waiting?.settle(error);
      resolve();
    };
    child.once("error", (error) => fail(new EvaluationError("could not be evaluated", { cause: error })));
    child.once("exit", (code, signal) => {
      const isMemory = MEMORY_SIGNALS.includes(signal) || code === 134;
      fail(new EvaluationError(isMemory ? "needs too much memory" : "could not be evaluated"));
    });
  });
  child.on("message", (message) => {
    const reply = message as Reply;
    if (reply.ready) markReady();
    else if (waiting?.id === reply.id) waiting?.settle(reply);
  });

  return {
    ready,
    gone,
    isDead: () => isDead,
    kill(): void {
      isDead = true;
      child.kill("SIGKILL");
    },
    async ask(job: EvaluationJob): Promise<unknown> {
      nextId += 1;
      const id = nextId;
      const reply = await new Promise<Reply | Error>((settle) => {
        waiting = { id, settle };
        if (isDead) settle(new EvaluationError("could not be evaluated"));
        else send(child, { ...job, id }, settle);
      });
      waiting = undefined;
      if (reply instanceof Error) throw reply;
      if (reply.error !== undefined) throw new EvaluationError(reply.error);
      return reply.value;
    },
  };
}

/** Starts a process. It keeps this one alive only while it works. */
export function startEvaluationProcess(): EvaluationProcess {
  const child = startProgram();
  const dialogue = openDialogue(child);

  /** Nothing but a kill stops a running regular expression or loop. */
  async function within<T>(deadlineMs: number, work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        dialogue.kill();
        reject(new EvaluationError("took too long"));
      }, deadlineMs);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    get isDead() {
      return dialogue.isDead();
    },
    async run(job, deadlineMs) {
      child.ref();
      child.channel?.ref();
      try {
        await within(START_TIMEOUT_MS, dialogue.ready);
        return await within(deadlineMs, dialogue.ask(job));
      } finally {
        child.unref();
        child.channel?.unref();
      }
    },
    async end() {
      child.ref();
      if (child.exitCode === null && child.signalCode === null) dialogue.kill();
      await dialogue.gone;
    },
  };
}

function send(child: ChildProcess, message: object, onFailure: (error: Error) => void): void {
  try {
    child.send(message, (error) => {
      if (error) onFailure(new EvaluationError("could not be evaluated", { cause: error }));
    });
  } catch (error) {
    // the serializer refuses what is nested beyond its stack
    onFailure(new EvaluationError("holds a value that is nested too deeply", { cause: toError(error) }));
  }
}
