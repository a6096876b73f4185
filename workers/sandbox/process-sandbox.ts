import { randomBytes } from "node:crypto";
import { constants } from "node:os";
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
import { STEP_LIMITS } from "./isolation-policy.js";
import { createDiskWatchdog, type DiskWatchdog } from "./disk-watchdog.js";
import { launchChild, type Launched } from "./launch-child.js";
import type { LaunchedChild } from "./launched-child.js";
import { findLaunchTools, type LaunchTools } from "./launch-plan.js";
import type { Launcher, LaunchIdentity } from "./launcher.js";
import { createMemoryWatchdog, type MemoryWatchdog } from "./memory-watchdog.js";
import { createNotices, type Notices } from "./notices.js";
import { createProcessLauncher } from "./process-launcher.js";
import { countKernelKills, hasProcessTable } from "./process-table.js";
import { createProcessTree, type ProcessTree } from "./process-tree.js";
import { createStepUsers, type StepUser, type StepUsers } from "./step-users.js";
import { createZygotes, type Zygotes } from "./zygotes.js";

/** A sandbox that must be closed when its worker stops. */
export interface OpenSandbox extends Sandbox {
  /** Ends what still runs and dismisses the guardian. */
  close(): Promise<void>;
}

/** What a sandbox is made from, whatever its level. */
export interface ProcessSandboxOptions {
  /** `none` keeps the clean environment and the killing of whole trees, and drops users and limits. */
  readonly level: SandboxLevel;
  /** The walls of the level; by default those that plain processes can have. */
  readonly launcher?: Launcher;
  /** Whether user code gets unprivileged users of its own; only root can give them. */
  readonly ownUsers: boolean;
  readonly reasons: readonly string[];
  readonly warn: (message: string) => void;
  /** What an execution may keep in its work folder; `STEP_LIMITS.workdirBytes` by default. */
  readonly maxWorkdirBytes?: number | undefined;
}

/** Marks every process of an execution in its environment. */
const MARKER_NAME = "HEADRACE_EXECUTION";
/** Tools are tried as a user without privileges, as steps will use them. */
export const NOBODY = { uid: 65_534, gid: 65_534 };
const BASE_PATH = "/usr/local/bin:/usr/bin:/bin";
const DEFAULT_GRACE_MS = 1_000;
/** How long pipes may stay open once the whole tree is gone. */
const DRAIN_LIMIT_MS = 2_000;

interface Shared {
  readonly options: ProcessSandboxOptions;
  readonly launcher: Launcher;
  readonly zygotes: Zygotes;
  readonly watchdog: MemoryWatchdog;
  readonly disk: DiskWatchdog;
  readonly users: StepUsers | undefined;
  readonly running: Set<SandboxProcess>;
  readonly nextMarker: () => string;
}

/** Opens a sandbox of child processes behind the walls of its level. */
export async function createProcessSandbox(options: ProcessSandboxOptions): Promise<OpenSandbox> {
  const workerToken = randomBytes(12).toString("hex");
  const guardian = startGuardian({ markerPrefix: `${MARKER_NAME}=${workerToken}.`, warn: options.warn });
  const users = options.ownUsers ? createStepUsers({ guardian }) : undefined;
  const tools = options.level === "none" ? {} : await findLaunchTools(users ? NOBODY : undefined);
  let count = 0;
  const launcher = options.launcher ?? createProcessLauncher({ tools, isLimited: options.level !== "none" });
  const zygotes = createZygotes({
    // as long as the longest number: the marker of a fork is written over this one
    env: { PATH: BASE_PATH, LANG: "C.UTF-8", [MARKER_NAME]: `${workerToken}.${"0".repeat(16)}` },
    warn: options.warn,
  });
  const shared: Shared = {
    options,
    launcher,
    zygotes,
    users,
    watchdog: createMemoryWatchdog(),
    disk: createDiskWatchdog({
      maxBytes: options.maxWorkdirBytes ?? STEP_LIMITS.workdirBytes,
      maxEntries: STEP_LIMITS.workdirEntries,
    }),
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
      await launcher.close?.();
      await guardian.close();
      users?.close();
    },
  };
}

function listWeaknesses({ level, launcher }: ProcessSandboxOptions, tools: LaunchTools): string[] {
  if (launcher) return [];
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
  const notices = createNotices();
  let launched: Launched;
  try {
    launched = await launchChild(command, toIdentity(command, marker, user), notices.add, shared);
  } catch (error) {
    user?.release(false);
    throw error;
  }
  const { child, hasKeepers, isEnclosed } = launched;
  const tree = createProcessTree({
    rootPid: child.pid,
    marker,
    hasKeepers,
    isEnclosed,
    findOwnUid: () => (user?.isExclusive() ? user.uid : undefined),
  });
  const streams = openChildStreams(child.pipes);
  const excess = watchExcess({ command, tree, shared });
  if (!command.waitsForInput) excess.begin();
  const exited = watchExit({ launched, tree, streams, excess, shared });
  const handle = toHandle(child, { streams, tree, notices, exited, excess });
  running.add(handle);
  void exited.then(() => {
    running.delete(handle);
    user?.release(tree.hasKilled());
  });
  try {
    await launched.begin();
  } catch (error) {
    await handle.kill(0);
    throw error;
  }
  // Listeners are attached as soon as the caller has the process; what nobody wants must not fill its pipe.
  setImmediate(() => streams.flow());
  return handle;
}

function toHandle(
  { pid, isWarm }: LaunchedChild,
  parts: {
    readonly streams: ChildStreams;
    readonly tree: ProcessTree;
    readonly notices: Notices;
    readonly exited: Promise<SandboxExit>;
    readonly excess: Excess;
  },
): SandboxProcess {
  const { streams, tree, notices, exited, excess } = parts;
  return {
    pid,
    isWarm,
    writeInput(data) {
      excess.begin();
      streams.stdin.write(data);
    },
    endInput: () => void streams.stdin.end(),
    onStdout: streams.stdout.listen,
    onStderr: streams.stderr.listen,
    onControl: streams.control.listen,
    onNotice: notices.listen,
    exited,
    async kill(graceMs = DEFAULT_GRACE_MS) {
      await tree.kill(graceMs);
      await exited;
    },
  };
}

function toIdentity(command: SandboxCommand, marker: string, user: StepUser | undefined): LaunchIdentity {
  const value = marker.slice(MARKER_NAME.length + 1);
  return {
    env: {
      PATH: BASE_PATH,
      LANG: "C.UTF-8",
      HOME: command.cwd,
      USER: "step",
      LOGNAME: "step",
      TMPDIR: join(command.cwd, "tmp"),
      ...command.env,
      [MARKER_NAME]: value,
    },
    marker: { name: MARKER_NAME, value },
    user,
  };
}

interface Watched {
  readonly launched: Launched;
  readonly tree: ProcessTree;
  readonly streams: ChildStreams;
  readonly excess: Excess;
  readonly shared: Shared;
}

/** Follows a child to its end: memory and disk while it runs, then the strays it left, then the rest of its output. */
async function watchExit({ launched, tree, streams, excess, shared }: Watched): Promise<SandboxExit> {
  const { child, hasKeepers, end } = launched;
  const { exitCode, signal, isAlone } = await child.ended;
  excess.stop();
  const ending = toEnding(exitCode, signal, hasKeepers);
  const wasKernel = ending.signal === "SIGKILL" && excess.hasKernelKilled();
  if (!isAlone) await killNow(tree, shared);
  end();
  await drain(child.closed, streams);
  return {
    ...ending,
    outOfMemory: excess.of === "memory" || wasKernel,
    ...(excess.of === "disk" && { outOfDisk: true }),
  };
}

async function killNow(tree: ProcessTree, { options }: Shared): Promise<void> {
  const left = await tree.kill(0);
  if (left.length > 0)
    options.warn(`Processes of a step could not be ended: ${left.map((entry) => entry.pid).join(", ")}`);
}

interface Excess {
  readonly of: "memory" | "disk" | undefined;
  /** From here on it may run user code, and is watched. */
  begin(): void;
  stop(): void;
  /** Whether the kernel has ended anything for want of memory meanwhile. */
  hasKernelKilled(): boolean;
}

/** Ends an execution that takes more than its share of what is everybody's. */
function watchExcess(watched: {
  readonly command: SandboxCommand;
  readonly tree: ProcessTree;
  readonly shared: Shared;
}): Excess {
  const { command, tree, shared } = watched;
  const stops: (() => void)[] = [];
  let of: Excess["of"];
  let kernelKills: number | undefined;
  const exceed = (what: "memory" | "disk"): void => {
    of ??= what;
    void killNow(tree, shared);
  };
  return {
    get of() {
      return of;
    },
    begin() {
      if (kernelKills !== undefined) return;
      kernelKills = countKernelKills();
      if (shared.options.level === "none") return;
      const limitBytes = command.memoryMb * 1024 * 1024;
      stops.push(shared.watchdog.watch({ tree, limitBytes, onExceeded: () => exceed("memory") }));
      // an installer fills an environment's folder, which is no work folder
      if (command.identity === "worker") return;
      stops.push(shared.disk.watch({ folder: command.cwd, tree, onExceeded: () => exceed("disk") }));
    },
    stop() {
      for (const stop of stops) stop();
    },
    hasKernelKilled: () => kernelKills !== undefined && countKernelKills() > kernelKills,
  };
}

/** A keeper tells its command's death by a signal as shells do, by an exit code of 128 and more. */
function toEnding(
  exitCode: number | null,
  signal: NodeJS.Signals | null,
  hasKeepers: boolean,
): Pick<SandboxExit, "exitCode" | "signal"> {
  if (!hasKeepers || exitCode === null || exitCode <= 128) return { exitCode, signal };
  const name = Object.entries(constants.signals).find(([, number]) => number === exitCode - 128)?.[0];
  return name === undefined ? { exitCode, signal } : { exitCode: null, signal: name as NodeJS.Signals };
}

async function drain(closed: Promise<void>, streams: ChildStreams): Promise<void> {
  streams.flow();
  const timer = setTimeout(() => streams.destroy(), DRAIN_LIMIT_MS);
  await closed;
  clearTimeout(timer);
}
