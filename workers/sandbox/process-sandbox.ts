import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type {
  Sandbox,
  SandboxCommand,
  SandboxExit,
  SandboxLevel,
  SandboxProcess,
} from "../../src/executors/types.js";
import { type ChildStreams, openChildStreams } from "./child-streams.js";
import { startGuardian } from "./guardian.js";
import { buildLaunchPlan, findLaunchTools, type LaunchTools } from "./launch-plan.js";
import { createMemoryWatchdog, type MemoryWatchdog } from "./memory-watchdog.js";
import { countKernelKills, hasProcessTable } from "./process-table.js";
import { createProcessTree, type ProcessTree } from "./process-tree.js";
import { createStepUsers, type StepUser, type StepUsers } from "./step-users.js";

/** A sandbox that must be closed when its worker stops. */
export interface OpenSandbox extends Sandbox {
  /** Ends what still runs and dismisses the guardian. */
  close(): Promise<void>;
}

/** What a sandbox of the levels `process` and `none` is made from. */
export interface ProcessSandboxOptions {
  /** `none` keeps the clean environment and the killing of whole trees, and drops users and limits. */
  readonly level: Extract<SandboxLevel, "process" | "none">;
  /** Whether user code gets unprivileged users of its own; only root can give them. */
  readonly ownUsers: boolean;
  readonly reasons: readonly string[];
  readonly warn: (message: string) => void;
}

/** Marks every process of an execution in its environment. */
const MARKER_NAME = "HEADRACE_EXECUTION";
/** Tools are tried as a user without privileges, as steps will use them. */
const NOBODY = { uid: 65_534, gid: 65_534 };
const BASE_PATH = "/usr/local/bin:/usr/bin:/bin";
const DEFAULT_GRACE_MS = 1_000;
/** How long pipes may stay open once the whole tree is gone. */
const DRAIN_LIMIT_MS = 2_000;

interface Shared {
  readonly options: ProcessSandboxOptions;
  readonly tools: LaunchTools;
  readonly watchdog: MemoryWatchdog;
  readonly users: StepUsers | undefined;
  readonly running: Set<SandboxProcess>;
  readonly nextMarker: () => string;
}

/** Opens a sandbox of plain child processes. */
export async function createProcessSandbox(options: ProcessSandboxOptions): Promise<OpenSandbox> {
  const workerToken = randomBytes(12).toString("hex");
  const guardian = startGuardian({ markerPrefix: `${MARKER_NAME}=${workerToken}.`, warn: options.warn });
  const users = options.ownUsers ? createStepUsers({ guardian }) : undefined;
  const tools = options.level === "none" ? {} : await findLaunchTools(users ? NOBODY : undefined);
  let count = 0;
  const shared: Shared = {
    options,
    tools,
    users,
    watchdog: createMemoryWatchdog(),
    running: new Set(),
    nextMarker: () => `${MARKER_NAME}=${workerToken}.${(count += 1)}`,
  };
  return {
    level: options.level,
    reasons: [...options.reasons, ...listWeaknesses(options, tools)],
    start: (command) => startProcess(command, shared),
    async close() {
      await Promise.all([...shared.running].map((child) => child.kill(0)));
      await guardian.close();
      users?.close();
    },
  };
}

function listWeaknesses({ level }: ProcessSandboxOptions, tools: LaunchTools): string[] {
  if (level === "none") return ["No limits and no user of its own for user code: SANDBOX=none"];
  return [
    ...(tools.prlimit ? [] : ["prlimit is missing: no limits on files and CPU time; install util-linux"]),
    ...(tools.setpriv
      ? []
      : ["setpriv is missing: user code may gain privileges by setuid programs; install util-linux"]),
    ...(tools.unshare ? [] : ["User namespaces are not allowed here: network: false cannot be enforced"]),
    ...(hasProcessTable() ? [] : ["/proc is missing: memory is not watched, and strays can outlive a step"]),
  ];
}

async function startProcess(command: SandboxCommand, shared: Shared): Promise<SandboxProcess> {
  const { users, tools, running } = shared;
  const user = command.identity === "worker" ? undefined : await users?.take(command.cwd);
  const marker = shared.nextMarker();
  let child: ChildProcess;
  try {
    child = spawnChild(command, buildLaunchPlan(command, tools, user !== undefined), marker, user);
    await hasSpawned(child);
  } catch (error) {
    user?.release(false);
    throw error;
  }
  const tree = createProcessTree({
    rootPid: child.pid as number,
    marker,
    findOwnUid: () => (user?.isExclusive() ? user.uid : undefined),
  });
  const streams = openChildStreams(child);
  // Listeners are attached as soon as the caller has the process; what nobody wants must not fill its pipe.
  setImmediate(() => streams.flow());
  const exited = watchExit({ child, command, tree, streams, shared });
  const handle: SandboxProcess = {
    pid: child.pid as number,
    writeInput: (data) => void streams.stdin.write(data),
    endInput: () => void streams.stdin.end(),
    onStdout: streams.stdout.listen,
    onStderr: streams.stderr.listen,
    onControl: streams.control.listen,
    exited,
    async kill(graceMs = DEFAULT_GRACE_MS) {
      await tree.kill(graceMs);
      await exited;
    },
  };
  running.add(handle);
  void exited.then(() => {
    running.delete(handle);
    user?.release(tree.hasKilled());
  });
  return handle;
}

function spawnChild(
  command: SandboxCommand,
  plan: { command: string; args: readonly string[] },
  marker: string,
  user: StepUser | undefined,
): ChildProcess {
  return spawn(plan.command, plan.args, {
    cwd: command.cwd,
    detached: true,
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    ...(user && { uid: user.uid, gid: user.gid }),
    env: {
      PATH: BASE_PATH,
      LANG: "C.UTF-8",
      HOME: command.cwd,
      USER: "step",
      LOGNAME: "step",
      TMPDIR: join(command.cwd, "tmp"),
      ...command.env,
      [MARKER_NAME]: marker.slice(MARKER_NAME.length + 1),
    },
  });
}

function hasSpawned(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", () => {
      child.off("error", reject);
      // Later errors are failed signals: the process is gone, which its exit tells.
      child.on("error", () => undefined);
      resolve();
    });
    child.once("error", reject);
  });
}

interface Watched {
  readonly child: ChildProcess;
  readonly command: SandboxCommand;
  readonly tree: ProcessTree;
  readonly streams: ChildStreams;
  readonly shared: Shared;
}

/** Follows a child to its end: memory while it runs, then the strays it left, then the rest of its output. */
function watchExit({ child, command, tree, streams, shared }: Watched): Promise<SandboxExit> {
  const { warn, level } = shared.options;
  const kernelKills = countKernelKills();
  let isOutOfMemory = false;
  const killNow = async (): Promise<void> => {
    const left = await tree.kill(0);
    if (left.length > 0)
      warn(`Processes of a step could not be ended: ${left.map((entry) => entry.pid).join(", ")}`);
  };
  const unwatch =
    level === "none"
      ? () => undefined
      : shared.watchdog.watch({
          tree,
          limitBytes: command.memoryMb * 1024 * 1024,
          onExceeded() {
            isOutOfMemory = true;
            void killNow();
          },
        });
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  return new Promise((resolve) => {
    child.once("exit", (exitCode, signal) => {
      unwatch();
      const wasKernel = signal === "SIGKILL" && countKernelKills() > kernelKills;
      void killNow()
        .then(() => drain(closed, streams))
        .then(() => resolve({ exitCode, signal, outOfMemory: isOutOfMemory || wasKernel }));
    });
  });
}

async function drain(closed: Promise<void>, streams: ChildStreams): Promise<void> {
  streams.flow();
  const timer = setTimeout(() => streams.destroy(), DRAIN_LIMIT_MS);
  await closed;
  clearTimeout(timer);
}
