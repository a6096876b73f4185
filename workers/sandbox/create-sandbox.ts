import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { SandboxLevel } from "../../src/executors/types.js";
import { createOutgoingGuard } from "../../src/outgoing/outgoing-guard.js";
import { createEgress } from "./egress.js";
import { createIsolationPolicy } from "./isolation-policy.js";
import { openLandlock } from "./landlock-launcher.js";
import { findLaunchTools } from "./launch-plan.js";
import type { Launcher } from "./launcher.js";
import { openNamespace } from "./open-namespace.js";
import { type ProbeExpectations, probeSandbox } from "./probe-sandbox.js";
import { createProcessSandbox, NOBODY, type OpenSandbox } from "./process-sandbox.js";
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
  /** The setting `ALLOWED_HOSTS_PRIVATE`: what steps may reach though it is private. */
  readonly allowedPrivateHosts?: readonly string[];
  /** The setting `MAX_WORKDIR_BYTES`: what an execution may keep in its work folder. */
  readonly maxWorkdirBytes?: number;
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

type Isolating = Extract<SandboxLevel, "namespace" | "landlock">;

const NO_OWN_USERS =
  "User code runs as the worker's own user and can reach its files and processes, since only root can give it users of its own";
const NOTHING_HIDDEN = "User code sees other processes, world-readable files and local network addresses";

/**
 * Opens the sandbox that the setting asks for; `auto` takes the strongest that works, which is tried by running it.
 * @throws SandboxUnavailableError when a level that is asked for by name cannot be had, or when `auto` would be too
 * weak for production.
 */
export async function createSandbox(options: CreateSandboxOptions): Promise<WorkerSandbox> {
  const { requested, warn = () => undefined } = options;
  const workdirs = await openReachableWorkdirs(options);
  const lacks: string[] = [];
  for (const level of ["namespace", "landlock"] as const) {
    if (requested !== "auto" && requested !== level) continue;
    const opened = await openIsolating(level, options, workdirs, lacks);
    if (typeof opened !== "string") return announce({ sandbox: opened, workdirs }, warn);
    lacks.push(`SANDBOX=${level} cannot be had: ${opened}`);
  }
  if (requested === "namespace" || requested === "landlock")
    throw new SandboxUnavailableError(lacks.join("; "));
  if (requested === "auto" && options.isProduction) {
    throw new SandboxUnavailableError(
      `${lacks.join("; ")}; PRODUCTION takes less only when asked for by name, with SANDBOX=process`,
    );
  }
  return announce(await openPlain(requested === "none" ? "none" : "process", options, workdirs, lacks), warn);
}

function toCommon({ warn = () => undefined, maxWorkdirBytes }: CreateSandboxOptions) {
  return { warn, maxWorkdirBytes };
}

function announce(opened: WorkerSandbox, warn: (message: string) => void): WorkerSandbox {
  for (const reason of opened.sandbox.reasons) warn(reason);
  return opened;
}

/** As root, steps have users of their own, and these must get to their folders. */
async function openReachableWorkdirs({ requested, workRoot }: CreateSandboxOptions): Promise<Workdirs> {
  const workdirs = await openWorkdirs({ root: workRoot });
  if (requested === "none" || !isRoot() || (await isTraversable(workdirs.root))) return workdirs;
  return await openWorkdirs({ root: await makeFallbackRoot(workRoot) });
}

/** A level with walls. @returns it once it has held, or why it cannot be had. */
async function openIsolating(
  level: Isolating,
  options: CreateSandboxOptions,
  workdirs: Workdirs,
  lacks: readonly string[],
): Promise<OpenSandbox | string> {
  const { python, workRoot } = options;
  const hidden = listHidden(workRoot);
  const walls =
    level === "namespace" ? await buildNamespace(options, workdirs, hidden) : await buildLandlock(options);
  if (typeof walls === "string") return walls;
  const sandbox = await createProcessSandbox({
    level,
    launcher: walls.launcher,
    ownUsers: isRoot(),
    reasons: [...lacks, ...walls.reasons, ...(isRoot() || level === "namespace" ? [] : [NO_OWN_USERS])],
    ...toCommon(options),
  });
  const fault = await probeSandbox(sandbox, workdirs, { ...walls.expectations, python }).catch(String);
  if (fault === undefined) return sandbox;
  await sandbox.close();
  return fault;
}

interface Walls {
  readonly launcher: Launcher;
  readonly reasons: readonly string[];
  readonly expectations: ProbeExpectations;
}

async function buildNamespace(
  { python, allowedPrivateHosts = [] }: CreateSandboxOptions,
  workdirs: Workdirs,
  hidden: readonly string[],
): Promise<Walls | string> {
  const systemFolder = join(workdirs.root, ".names");
  const opened = await openNamespace({ python, allowedPrivateHosts, hidden, systemFolder });
  if (typeof opened === "string") return opened;
  const { launcher, reasons, hasEgress } = opened;
  // the way to the work folder is there, with nothing else in it
  const closed = hidden.filter((path) => !workdirs.root.startsWith(`${path}/`));
  const expectations = { hidesSystem: true, hidesProcesses: true, hasEgress, hidden: closed };
  return { launcher, reasons, expectations };
}

async function buildLandlock({
  python,
  allowedPrivateHosts = [],
}: CreateSandboxOptions): Promise<Walls | string> {
  const opened = await openLandlock({
    python,
    policy: createIsolationPolicy(),
    tools: await findLaunchTools(isRoot() ? NOBODY : undefined),
    egress: createEgress({ guard: createOutgoingGuard({ allowedPrivateHosts }) }),
  });
  if (typeof opened === "string") return opened;
  return {
    ...opened,
    expectations: { hidesSystem: !opened.reasons.some((reason) => reason.includes("hold TCP")) },
  };
}

/** Plain processes: unprivileged users for user code, if a real interpreter, started as one, works. */
async function openPlain(
  level: "process" | "none",
  options: CreateSandboxOptions,
  workdirs: Workdirs,
  lacks: readonly string[],
): Promise<WorkerSandbox> {
  const { python, workRoot } = options;
  const common = toCommon(options);
  if (level === "none")
    return {
      workdirs,
      sandbox: await createProcessSandbox({ level, ownUsers: false, reasons: [], ...common }),
    };
  if (!isRoot()) {
    const reasons = [...lacks, NO_OWN_USERS, NOTHING_HIDDEN];
    return { workdirs, sandbox: await createProcessSandbox({ level, ownUsers: false, reasons, ...common }) };
  }
  const reasons = [...lacks, NOTHING_HIDDEN];
  const sandbox = await createProcessSandbox({ level, ownUsers: true, reasons, ...common });
  const fault = await probeSandbox(sandbox, workdirs, { python });
  if (fault === undefined) return { sandbox, workdirs };
  await sandbox.close();
  const asRoot = `User code runs as root: ${fault}. Install the interpreter where every user can read it, or start the worker as another user than root`;
  return {
    workdirs: await openWorkdirs({ root: workRoot }),
    sandbox: await createProcessSandbox({ level, ownUsers: false, reasons: [asRoot, ...reasons], ...common }),
  };
}

/** The installation with its settings, and the data folder, should they lie among the system's files. */
function listHidden(workRoot: string): string[] {
  const settings = join(process.cwd(), ".env");
  return [findInstallation(), dirname(resolve(workRoot)), ...(existsSync(settings) ? [settings] : [])];
}

function findInstallation(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (folder !== "/" && !existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}
