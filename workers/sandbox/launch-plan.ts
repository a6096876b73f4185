import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import type { SandboxCommand } from "../../src/executors/types.js";
import { STEP_LIMITS } from "./isolation-policy.js";

/** Programs of the system that set limits on a child before it becomes the user's. */
export interface LaunchTools {
  readonly prlimit?: string;
  readonly setpriv?: string;
  /** Present when an unprivileged process may have a network of its own (without any way out). */
  readonly unshare?: string;
}

/** A program and its arguments. */
export interface LaunchPlan {
  readonly command: string;
  readonly args: readonly string[];
}

const FOLDERS = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"];
/** Interpreters and their libraries map far more than they use: code, thread stacks, arenas. */
const ADDRESS_SPACE_HEADROOM_MB = 2_048;
/** For `prlimit`: how many processes one user may have. */
export const PROCESS_LIMIT_ARG = `--nproc=${STEP_LIMITS.processes}`;

/** Where a program of the system is, if it is there. */
export function findTool(name: string): string | undefined {
  return FOLDERS.map((folder) => `${folder}/${name}`).find((file) => existsSync(file));
}

/** Finds the tools and tries each once: what is installed may still be forbidden in a container. */
export async function findLaunchTools(identity?: { uid: number; gid: number }): Promise<LaunchTools> {
  const attempt = async (name: string, args: readonly string[]): Promise<string | undefined> => {
    const path = findTool(name);
    if (!path) return undefined;
    try {
      await promisify(execFile)(path, [...args, "/bin/true"], {
        timeout: 5_000,
        env: {},
        cwd: "/",
        ...identity,
      });
      return path;
    } catch {
      return undefined;
    }
  };
  const [prlimit, setpriv, unshare] = await Promise.all([
    attempt("prlimit", ["--core=0", "--"]),
    attempt("setpriv", ["--no-new-privs", "--pdeathsig", "SIGKILL", "--"]),
    attempt("unshare", ["--user", "--map-current-user", "--net", "--"]),
  ]);
  return { prlimit, setpriv, unshare };
}

/**
 * The command with its limits in front. Each tool replaces itself by the next, so that the pid stays the same and
 * no process is left between the worker and the user's.
 */
export function buildLaunchPlan(
  command: SandboxCommand,
  tools: LaunchTools,
  hasOwnUser: boolean,
): LaunchPlan {
  const words: string[] = [];
  // First, since making a namespace clears the death signal.
  if (!command.network && tools.unshare) {
    words.push(tools.unshare, "--user", "--map-current-user", "--net", "--");
  }
  if (tools.setpriv) {
    words.push(tools.setpriv, "--no-new-privs", "--pdeathsig", "SIGKILL", "--");
  }
  if (tools.prlimit) {
    words.push(tools.prlimit, ...listLimits(command, hasOwnUser), "--");
  }
  words.push(command.command, ...command.args);
  const [first = command.command, ...args] = words;
  return { command: first, args };
}

/** Limits of the kernel by the name of their `RLIMIT_` constant. */
export type ResourceLimits = Readonly<
  Partial<Record<"CORE" | "NOFILE" | "FSIZE" | "CPU" | "NPROC" | "AS", number>>
>;

/** What an execution may use: bytes, seconds and counts, each both soft and hard. */
export function computeLimits(command: SandboxCommand, hasOwnUser: boolean): ResourceLimits {
  return {
    CORE: 0,
    NOFILE: STEP_LIMITS.openFiles,
    FSIZE: STEP_LIMITS.fileBytes,
    // Seconds of all processors together: a program that uses each of them must reach its time-out first.
    CPU: Math.ceil((command.timeoutSeconds + 5) * availableParallelism()),
    // Counted per user: without a user of its own, the limit would hit the worker and its neighbours.
    ...(hasOwnUser && { NPROC: STEP_LIMITS.processes }),
    ...(command.limitAddressSpace && { AS: (command.memoryMb + ADDRESS_SPACE_HEADROOM_MB) * 1024 * 1024 }),
  };
}

/** Options for `prlimit`. */
export function listLimits(command: SandboxCommand, hasOwnUser: boolean): string[] {
  return Object.entries(computeLimits(command, hasOwnUser)).map(
    ([name, value]) => `--${name.toLowerCase()}=${value}`,
  );
}
