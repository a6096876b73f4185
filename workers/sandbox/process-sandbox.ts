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
import { buildLaunchPlan, computeLimits, findLaunchTools, type LaunchTools } from "./launch-plan.js";
import { type LaunchedChild, spawnChild } from "./launched-child.js";
import { createMemoryWatchdog, type MemoryWatchdog } from "./memory-watchdog.js";
import { countKernelKills, hasProcessTable } from "./process-table.js";
import { createProcessTree, type ProcessTree } from "./process-tree.js";
import { createStepUsers, type StepUser, type StepUsers } from "./step-users.js";
import { createZygotes, type Zygotes } from "./zygotes.js";

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
  readonly zygotes: Zygotes;
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
  const zygotes = createZygotes({
    // as long as the longest number: the marker of a fork is written over this one
    env: { PATH: BASE_PATH, LANG: "C.UTF-8", [MARKER_NAME]: `${workerToken}.${"0".repeat(16)}` },
    warn: options.warn,
  });
  const shared: Shared = {
    options,
    tools,
    users,
    zygotes,
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
      await zygotes.close();
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
  const { users, running } = shared;
  const user = command.identity === "worker" ? undefined : await users?.take(command.cwd);
  const marker = shared.nextMarker();
  let child: LaunchedChild;
  try {
    child = await launch(command, shared, marker, user);
  } catch (error) {
    user?.release(false);
    throw error;
  }
  const tree = createProcessTree({
    rootPid: child.pid,
    marker,
    findOwnUid: () => (user?.isExclusive() ? user.uid : undefined),
  });
  const streams = openChildStreams(child.pipes);
  // Listeners are attached as soon as the caller has the process; what nobody wants must not fill its pipe.
  setImmediate(() => streams.flow());
  const watch = createMemoryWatch(command, tree, shared);
  if (!command.waitsForInput) watch.begin();
  const exited = watchExit({ child, tree, streams, watch, warn: shared.options.warn });
  const handle: SandboxProcess = {
    pid: child.pid,
    isWarm: child.isWarm,
    writeInput(data) {
      watch.begin();
      streams.stdin.write(data);
    },
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

/** A fork of a warm interpreter where the command allows it and one can be had, else a start from nothing. */
async function launch(
  command: SandboxCommand,
  { zygotes, tools, options }: Shared,
  marker: string,
  user: StepUser | undefined,
): Promise<LaunchedChild> {
  const { cwd, network, warm } = command;
  const env = buildEnvironment(command, marker);
  const isLimited = options.level !== "none";
  const forked =
    warm &&
    (await zygotes.fork(warm.interpreter, {
      cwd,
      env,
      user: user && { uid: user.uid, gid: user.gid },
      limits: isLimited ? computeLimits(command, user !== undefined) : {},
      // as a cold start does: where it cannot be cut off, the sandbox has said so
      network: network || !tools.unshare,
      isHardened: isLimited,
      prefix: warm.environment,
    }));
  if (forked) return forked;
  return await spawnChild({ ...buildLaunchPlan(command, tools, user !== undefined), cwd, env, user });
}

function buildEnvironment(command: SandboxCommand, marker: string): Record<string, string> {
  return {
    PATH: BASE_PATH,
    LANG: "C.UTF-8",
    HOME: command.cwd,
    USER: "step",
    LOGNAME: "step",
    TMPDIR: join(command.cwd, "tmp"),
    ...command.env,
    [MARKER_NAME]: marker.slice(MARKER_NAME.length + 1),
  };
}

/** Whether an execution uses too much memory, from the moment that it may run user code. */
interface MemoryWatch {
  begin(): void;
  end(): void;
  /** The watchdog ended it, or the kernel may have: it has killed something since the watch began. */
  hasExceeded(): boolean;
  hasKernelKilled(): boolean;
}

function createMemoryWatch(command: SandboxCommand, tree: ProcessTree, shared: Shared): MemoryWatch {
  let unwatch: (() => void) | undefined;
  let kernelKills = 0;
  let isOutOfMemory = false;
  return {
    begin() {
      if (unwatch) return;
      kernelKills = countKernelKills();
      unwatch = () => undefined;
      if (shared.options.level === "none") return;
      unwatch = shared.watchdog.watch({
        tree,
        limitBytes: command.memoryMb * 1024 * 1024,
        onExceeded() {
          isOutOfMemory = true;
          void killNow(tree, shared.options.warn);
        },
      });
    },
    end: () => unwatch?.(),
    hasExceeded: () => isOutOfMemory,
    hasKernelKilled: () => unwatch !== undefined && countKernelKills() > kernelKills,
  };
}

async function killNow(tree: ProcessTree, warn: (message: string) => void): Promise<void> {
  const left = await tree.kill(0);
  if (left.length > 0)
    warn(`Processes of a step could not be ended: ${left.map((entry) => entry.pid).join(", ")}`);
}

interface Watched {
  readonly child: LaunchedChild;
  readonly tree: ProcessTree;
  readonly streams: ChildStreams;
  readonly watch: MemoryWatch;
  readonly warn: (message: string) => void;
}

/** Follows a child to its end: memory while it runs, then the strays it left, then the rest of its output. */
async function watchExit({ child, tree, streams, watch, warn }: Watched): Promise<SandboxExit> {
  const { exitCode, signal, isAlone } = await child.ended;
  watch.end();
  const wasKernel = signal === "SIGKILL" && watch.hasKernelKilled();
  if (!isAlone) await killNow(tree, warn);
  await drain(child.closed, streams);
  return { exitCode, signal, outOfMemory: watch.hasExceeded() || wasKernel };
}

async function drain(closed: Promise<void>, streams: ChildStreams): Promise<void> {
  streams.flow();
  const timer = setTimeout(() => streams.destroy(), DRAIN_LIMIT_MS);
  await closed;
  clearTimeout(timer);
}
