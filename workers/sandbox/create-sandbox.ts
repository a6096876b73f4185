import { resolvePython } from "../../src/executors/script/python-interpreter.js";
import type { SandboxCommand, SandboxLevel } from "../../src/executors/types.js";
import { createProcessSandbox, type OpenSandbox } from "./process-sandbox.js";
import { isTraversable, makeFallbackRoot, openWorkdirs, type Workdirs } from "./workdir.js";

/** What a worker runs user code with. */
export interface WorkerSandbox {
  readonly sandbox: OpenSandbox;
  /** Where work folders are made: under the wanted root, or where the step's users can reach. */
  readonly workdirs: Workdirs;
}

/** What to make a sandbox from. */
export interface CreateSandboxOptions {
  /** The setting `SANDBOX`. */
  readonly requested: SandboxLevel | "auto";
  /** Folder for work folders, `<DATA_DIR>/work` for one. */
  readonly workRoot: string;
  /** The setting `PYTHON`. */
  readonly python?: string | undefined;
  /** The setting `PRODUCTION`: a level under `landlock` must then be asked for by name. */
  readonly isProduction?: boolean;
  /** Told once of everything that weakens isolation. */
  readonly warn?: (message: string) => void;
}

/** A level that was asked for by name and cannot be had. `message` is for the operator. */
export class SandboxUnavailableError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "SandboxUnavailableError";
  }
}

const NO_OWN_USERS =
  "User code runs as the worker's own user and can reach its files and processes, since only root can give it users of its own";
const NO_NAMESPACE =
  "User code sees other processes, world-readable files and local network addresses: no namespace sandbox (bubblewrap) in this version";

/**
 * Opens the sandbox that the setting asks for; `auto` takes the strongest that works.
 * @throws SandboxUnavailableError when a level is asked for by name that this installation does not have, or when
 * `auto` would be too weak for production.
 */
export async function createSandbox(options: CreateSandboxOptions): Promise<WorkerSandbox> {
  const { requested, warn = () => undefined } = options;
  if (requested === "namespace" || requested === "landlock") {
    throw new SandboxUnavailableError(
      `SANDBOX=${requested} is not available in this version of Headrace; use SANDBOX=auto, process or none`,
    );
  }
  if (requested === "auto" && options.isProduction) {
    throw new SandboxUnavailableError(
      "PRODUCTION demands a sandbox of its own namespace, which this version does not have; accept less by name with SANDBOX=process",
    );
  }
  const opened =
    requested === "none" || process.getuid?.() !== 0
      ? await openWithoutUsers(options, requested === "none" ? "none" : "process", [])
      : await openWithUsers(options);
  for (const reason of opened.sandbox.reasons) warn(reason);
  return opened;
}

async function openWithoutUsers(
  { workRoot, warn = () => undefined }: CreateSandboxOptions,
  level: "process" | "none",
  reasons: readonly string[],
): Promise<WorkerSandbox> {
  const workdirs = await openWorkdirs({ root: workRoot });
  const isRoot = process.getuid?.() === 0;
  const shared = isRoot ? [] : [NO_OWN_USERS];
  const all = level === "none" ? [] : [...reasons, ...shared, NO_NAMESPACE];
  return { workdirs, sandbox: await createProcessSandbox({ level, ownUsers: false, reasons: all, warn }) };
}

/** Unprivileged users for user code, if a real interpreter, started as one in a real work folder, works. */
async function openWithUsers(options: CreateSandboxOptions): Promise<WorkerSandbox> {
  const { workRoot, warn = () => undefined } = options;
  let workdirs = await openWorkdirs({ root: workRoot });
  if (!(await isTraversable(workdirs.root))) {
    workdirs = await openWorkdirs({ root: await makeFallbackRoot(workRoot) });
  }
  const sandbox = await createProcessSandbox({
    level: "process",
    ownUsers: true,
    reasons: [NO_NAMESPACE],
    warn,
  });
  const fault = await probe(sandbox, workdirs, options.python);
  if (fault === undefined) return { sandbox, workdirs };
  await sandbox.close();
  return openWithoutUsers(options, "process", [
    `User code runs as root: ${fault}. Install the interpreter where every user can read it, or start the worker as another user than root`,
  ]);
}

/** @returns what does not work, or undefined. */
async function probe(
  sandbox: OpenSandbox,
  workdirs: Workdirs,
  pythonSetting: string | undefined,
): Promise<string | undefined> {
  const python = await resolvePython(pythonSetting).catch(() => undefined);
  const probes = [
    { command: process.execPath, args: ["-e", "require('fs').writeFileSync('artifacts/node', '')"] },
    ...(python
      ? [{ command: python, args: ["-I", "-c", "import json; open('artifacts/python', 'w').close()"] }]
      : []),
  ];
  const workdir = await workdirs.make();
  try {
    for (const { command, args } of probes) {
      const fault = await tryOut(sandbox, {
        command,
        args,
        env: {},
        cwd: workdir,
        memoryMb: 512,
        timeoutSeconds: 20,
        network: true,
      });
      if (fault !== undefined) return `${command} cannot run as an unprivileged user (${fault})`;
    }
    return undefined;
  } finally {
    await workdirs.remove(workdir);
  }
}

async function tryOut(sandbox: OpenSandbox, command: SandboxCommand): Promise<string | undefined> {
  const errors: Buffer[] = [];
  try {
    const child = await sandbox.start(command);
    child.onStderr((chunk) => errors.push(chunk));
    child.endInput();
    const timer = setTimeout(() => void child.kill(0), command.timeoutSeconds * 1_000);
    const exit = await child.exited;
    clearTimeout(timer);
    if (exit.exitCode === 0) return undefined;
    const said = Buffer.concat(errors).toString("utf8").trim().split("\n").at(-1);
    return said || `it ended with ${exit.signal ?? `exit code ${exit.exitCode}`}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
