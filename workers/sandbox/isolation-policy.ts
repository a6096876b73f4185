import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { assembleSeccompFilter } from "./seccomp-filter.js";
import { findSyscallTable } from "./seccomp-syscalls.js";

/** One thing that an isolated step sees at a path. Everything else does not exist for it. */
export type Mount =
  | { readonly kind: "readOnly"; readonly path: string; readonly source?: string }
  | { readonly kind: "writable"; readonly path: string }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string }
  | { readonly kind: "empty"; readonly path: string; readonly sizeBytes: number }
  | { readonly kind: "proc" | "dev"; readonly path: string }
  /** No further entries can be made there; what is mounted below is not touched. */
  | { readonly kind: "sealed"; readonly path: string };

/** What every step of this machine is isolated by, as plain data. A later mount covers an earlier one. */
export interface IsolationPolicy {
  readonly mounts: readonly Mount[];
  readonly hostname: string;
  readonly limits: StepLimits;
  /** The seccomp program; undefined on architectures that have no table of calls. */
  readonly seccomp: Buffer | undefined;
}

/** Limits of a step that no configuration changes. Memory and time come with each command. */
export interface StepLimits {
  /** Counted per user. */
  readonly processes: number;
  readonly openFiles: number;
  readonly fileBytes: number;
  /** All that the work folder holds together, and how many entries. */
  readonly workdirBytes: number;
  readonly workdirEntries: number;
  readonly temporaryBytes: number;
  readonly sharedMemoryBytes: number;
}

const MEBIBYTE = 1024 ** 2;

/** The same for every step of every worker. */
export const STEP_LIMITS: StepLimits = {
  processes: 256,
  openFiles: 1_024,
  fileBytes: 1_024 * MEBIBYTE,
  workdirBytes: 2_048 * MEBIBYTE,
  workdirEntries: 200_000,
  temporaryBytes: 64 * MEBIBYTE,
  sharedMemoryBytes: 64 * MEBIBYTE,
};

/** What to make a policy from. */
export interface IsolationPolicyOptions {
  /** Folders and files inside the system's that no step may see: the installation, its data, its settings. */
  readonly hidden?: readonly string[];
  /** A folder with `hosts` and `nsswitch.conf` for steps; without it they look up no names, their own neither. */
  readonly namesFolder?: string;
}

/**
 * Parts of `/etc` that programs need to start, draw text, tell the time and trust certificates. No accounts, no names
 * of the network, nothing that services keep there.
 */
const ETC = [
  ...["alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "timezone", "locale.alias"],
  ...["ssl/certs", "ssl/cert.pem", "ssl/openssl.cnf", "ca-certificates", "pki/tls/certs", "pki/tls/cert.pem"],
  ...["pki/tls/openssl.cnf", "pki/ca-trust/extracted", "crypto-policies", "fonts", "mime.types", "magic"],
  ...["protocols", "services", "gai.conf", "host.conf", "matplotlibrc", "jupyter", "ipython", "java-*"],
  ...["python3", "python3.*"],
] as const;

/** Folders of programs beside `/usr`: links into it on merged systems, folders of their own elsewhere. */
const PROGRAM_FOLDERS = /^(?:bin|sbin|lib|lib32|lib64|libx32|nix|gnu)$/;

/** Reads what this machine has. The result holds for as long as its programs stay where they are. */
export function createIsolationPolicy(options: IsolationPolicyOptions = {}): IsolationPolicy {
  const { hidden = [], namesFolder } = options;
  const system: Mount[] = [{ kind: "readOnly", path: "/usr" }, ...listProgramFolders(), ...listEtc()];
  const table = findSyscallTable(process.arch);
  return {
    mounts: [
      ...system,
      ...(namesFolder
        ? ["hosts", "nsswitch.conf"].map(
            (name): Mount => ({
              kind: "readOnly",
              path: `/etc/${name}`,
              source: join(namesFolder, name),
            }),
          )
        : []),
      ...hidden.filter((path) => isBelow(path, system)).map(toCover),
      { kind: "proc", path: "/proc" },
      { kind: "dev", path: "/dev" },
      { kind: "empty", path: "/dev/shm", sizeBytes: STEP_LIMITS.sharedMemoryBytes },
      { kind: "sealed", path: "/dev" },
      { kind: "empty", path: "/tmp", sizeBytes: STEP_LIMITS.temporaryBytes },
    ],
    hostname: "step",
    limits: STEP_LIMITS,
    seccomp: table && assembleSeccompFilter(table),
  };
}

/** What one command sees beside the system. */
export interface StepView {
  readonly command: string;
  /** Seen at the same path as outside, so that sockets and links in it mean the same on both sides. */
  readonly workdir: string;
  readonly readOnlyPaths: readonly string[];
  /** Other places where it can leave something. */
  readonly writablePaths?: readonly string[];
  /** What lies in its work folder and is none of its business. */
  readonly coveredPaths?: readonly string[];
}

/**
 * What commands of one interpreter see of the machine: the system, what the interpreter needs wherever that is
 * installed, and the paths they asked for. Takes a dozen looks at the disk; holds as long as no installation moves.
 */
export function listFixedMounts(
  policy: IsolationPolicy,
  { command, readOnlyPaths }: Pick<StepView, "command" | "readOnlyPaths">,
): Mount[] {
  const wanted = [...findInterpreterPaths(command), ...readOnlyPaths.flatMap(withLinkTargets)];
  const extra = [...new Set(wanted)]
    .filter((path) => !isBelow(path, policy.mounts) || isHidden(path, policy))
    // a folder before what lies in it
    .sort((one, other) => one.length - other.length);
  return [...policy.mounts, ...extra.map((path): Mount => ({ kind: "readOnly", path }))];
}

/**
 * The mounts of one command, in order: the fixed ones, and last its work folder, for a step the only place where it can
 * leave something.
 */
export function listStepMounts(
  policy: IsolationPolicy,
  view: StepView,
  fixed: readonly Mount[] = listFixedMounts(policy, view),
): Mount[] {
  const { workdir, writablePaths = [], coveredPaths = [] } = view;
  return [
    ...fixed,
    ...[...writablePaths, workdir].map((path): Mount => ({ kind: "writable", path })),
    ...coveredPaths.map(toCover),
    { kind: "sealed", path: "/" },
  ];
}

/**
 * Where an interpreter's own files are: its installation (`<prefix>/bin/python3` needs `<prefix>/lib`), also behind
 * the links that lead to it. Never a whole home folder, even if it has a `bin`.
 */
export function findInterpreterPaths(command: string): string[] {
  if (!command.startsWith("/") || !existsSync(command)) return [];
  // without "..": `/opt/../bin/python3` would make the whole machine an installation
  const links = followLinks(resolve(command));
  const paths = links.flatMap((path) => {
    const prefix = dirname(dirname(path));
    const isInstallation = /\/s?bin\/[^/]+$/.test(path) && prefix !== "/" && hasLibraries(prefix);
    return isInstallation ? [prefix] : [path];
  });
  return [...new Set(paths)];
}

/** Whether a folder is an installation's rather than a person's: `lib` beside `bin`, and no hidden files of a home. */
function hasLibraries(prefix: string): boolean {
  const names = new Set(safeReaddir(prefix));
  return (
    (names.has("lib") || names.has("lib64")) &&
    ![".ssh", ".bashrc", ".profile", ".bash_history"].some((name) => names.has(name))
  );
}

/** A path and every link on the way to what it names. */
function followLinks(path: string): string[] {
  const seen: string[] = [];
  for (let at = path; !seen.includes(at) && seen.length < 20; ) {
    seen.push(at);
    if (!lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink()) break;
    at = resolveLink(at);
  }
  return seen;
}

function resolveLink(path: string): string {
  const target = readlinkSync(path);
  return resolve(realpathSync(dirname(path)), target);
}

/** A virtual environment's interpreter is a link to one elsewhere. */
function withLinkTargets(path: string): string[] {
  const interpreter = ["bin/python", "bin/python3"]
    .map((name) => join(path, name))
    .find((name) => existsSync(name));
  return [path, ...(interpreter ? findInterpreterPaths(interpreter) : [])];
}

function listProgramFolders(): Mount[] {
  return safeReaddir("/")
    .filter((name) => PROGRAM_FOLDERS.test(name))
    .map((name) => {
      const path = `/${name}`;
      return lstatSync(path).isSymbolicLink()
        ? { kind: "symlink", path, target: readlinkSync(path) }
        : { kind: "readOnly", path };
    });
}

function listEtc(): Mount[] {
  const names = safeReaddir("/etc");
  return ETC.flatMap((name) =>
    name.endsWith("*") ? names.filter((entry) => entry.startsWith(name.slice(0, -1))) : [name],
  )
    .map((name) => `/etc/${name}`)
    .filter((path) => existsSync(path))
    .map((path) => ({ kind: "readOnly", path }));
}

function isBelow(path: string, mounts: readonly Mount[]): boolean {
  return mounts.some(
    (mount) => mount.kind === "readOnly" && (path === mount.path || path.startsWith(`${mount.path}/`)),
  );
}

function isHidden(path: string, { mounts }: IsolationPolicy): boolean {
  return mounts.some((mount) => mount.kind === "empty" && path.startsWith(`${mount.path}/`));
}

/** An empty folder over a folder, an empty device over a file. */
function toCover(path: string): Mount {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory()
    ? { kind: "empty", path, sizeBytes: 4_096 }
    : { kind: "readOnly", path, source: "/dev/null" };
}

function safeReaddir(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
