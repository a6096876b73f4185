import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JsonObject } from "../../core/json.js";
import { createMessageChannel } from "../message-channel.js";
import { loadRuntimeFile } from "../script/runtime-files.js";
import type { Sandbox, SandboxExit } from "../types.js";
import { type HelperMessage, helperMessageSchema } from "./helper-messages.js";

/** What makes a helper fit for a configuration: it is started before there is one. */
export interface HelperFit {
  readonly kernel: string;
  readonly memoryMb: number;
  readonly network: boolean;
}

/** What a helper is started with. */
export interface HelperStart extends HelperFit {
  readonly sandbox: Sandbox;
  readonly python: string;
  readonly workdir: string;
  readonly timeoutSeconds: number;
}

/** Who listens to a helper. */
export interface HelperListener {
  onMessage(message: HelperMessage): void;
  onStdout(chunk: Buffer): void;
  onStderr(chunk: Buffer): void;
  /** Called once when a message is too long to be read. */
  onOverflow(): void;
}

/** A process that holds one kernel, and executes one notebook in it. */
export interface NotebookHelper {
  readonly workdir: string;
  /** Whether its kernel is up. False for one that could not start, too. */
  isReady(): boolean;
  readonly exited: Promise<SandboxExit>;
  /** Hands out what was said so far, and from then on what comes. Once. */
  listen(listener: HelperListener): void;
  send(message: JsonObject): void;
  /** Ends it with its kernel and all that the notebook started, at once. */
  kill(): Promise<void>;
}

/** What the helper and its kernel take themselves: the memory of a configuration is the notebook's own. */
const OWN_MEMORY_MB = 256;
/** HTML and the outputs of a cell have limits of their own in the helper, which are lower. */
const MAX_MESSAGE_BYTES = 192 * 1024 * 1024;
const RUNTIME_FILES = ["helper.py", "kernel_side.py"];
const FOLDER = ".headrace";

let runtime: Promise<readonly string[]> | undefined;

/** Starts a helper; it begins at once to start its kernel, and is ready about two seconds later. */
export async function startHelper(start: HelperStart): Promise<NotebookHelper> {
  const { workdir } = start;
  runtime ??= Promise.all(RUNTIME_FILES.map((name) => loadRuntimeFile(name, import.meta.url)));
  const texts = await runtime;
  await mkdir(join(workdir, FOLDER), { recursive: true });
  await Promise.all(RUNTIME_FILES.map((name, at) => writeFile(join(workdir, FOLDER, name), texts[at] ?? "")));
  const child = await start.sandbox.start({
    command: start.python,
    args: ["-I", "-u", "-X", "utf8", `${FOLDER}/helper.py`, start.kernel],
    env: {
      IPYTHONDIR: join(workdir, FOLDER, "ipython"),
      JUPYTER_RUNTIME_DIR: join(workdir, FOLDER),
      // a warning on stderr at each start of a kernel otherwise
      PYDEVD_DISABLE_FILE_VALIDATION: "1",
    },
    cwd: workdir,
    memoryMb: start.memoryMb + OWN_MEMORY_MB,
    timeoutSeconds: start.timeoutSeconds,
    network: start.network,
    limitAddressSpace: true,
  });

  const waiting: HelperMessage[] = [];
  let listener: HelperListener | undefined;
  let isUp = false;
  let isOver = false;
  const channel = createMessageChannel({
    schema: helperMessageSchema,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    onMessage(message) {
      if (message.type === "ready") isUp = true;
      if (listener) listener.onMessage(message);
      else waiting.push(message);
    },
    onOverflow() {
      isOver = true;
      listener?.onOverflow();
    },
  });
  // until somebody listens there is only the start, whose noise means nothing when it succeeds
  const early: Buffer[] = [];
  child.onStdout((chunk) => listener?.onStdout(chunk));
  child.onStderr((chunk) => {
    if (listener) listener.onStderr(chunk);
    else if (early.length < 100) early.push(chunk);
  });
  child.onControl((chunk) => channel.push(chunk));
  void child.exited.then(() => (isUp = false));

  return {
    workdir,
    isReady: () => isUp,
    exited: child.exited,
    listen(by) {
      listener = by;
      if (!isUp) for (const chunk of early) by.onStderr(chunk);
      for (const message of waiting.splice(0)) by.onMessage(message);
      if (isOver) by.onOverflow();
    },
    send: (message) => child.writeInput(`${JSON.stringify(message)}\n`),
    kill: () => child.kill(0),
  };
}
