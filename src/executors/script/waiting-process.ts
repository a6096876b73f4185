import { mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Sandbox, SandboxProcess, WarmInterpreter } from "../types.js";

/** What a process that will run a script is started with: everything that must be fixed before it has a job. */
export interface ScriptStart {
  readonly command: string;
  readonly args: readonly string[];
  readonly readOnlyPaths: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly limitAddressSpace: boolean;
  /** Files that it needs to begin with, by their path in the work folder. */
  readonly files: Readonly<Record<string, string>>;
  /** Symbolic links in the work folder, and where they lead. */
  readonly links: Readonly<Record<string, string>>;
  readonly warm?: WarmInterpreter;
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  readonly network: boolean;
}

/** What such a process is then told, once, over its stdin. */
export interface ScriptJob {
  readonly env: Readonly<Record<string, string>>;
  /** Files that it writes into the work folder itself, as its own user. */
  readonly files: Readonly<Record<string, string>>;
  readonly maxOutputBytes: number;
}

/** How long a process that is no longer wanted may take to end by itself. */
const DISMISS_LIMIT_MS = 2_000;

/** Starts a process that waits for its job. The folder must be one of the sandbox's work folders. */
export async function startWaiting(
  sandbox: Sandbox,
  workdir: string,
  start: ScriptStart,
): Promise<SandboxProcess> {
  const { files, links, ...command } = start;
  const folders = new Set([...Object.keys(files), ...Object.keys(links)].map(dirname));
  folders.delete(".");
  await Promise.all([...folders].map((folder) => mkdir(join(workdir, folder), { recursive: true })));
  await Promise.all([
    ...Object.entries(files).map(([path, text]) => writeFile(join(workdir, path), text)),
    ...Object.entries(links).map(([path, target]) => symlink(target, join(workdir, path))),
  ]);
  return await sandbox.start({ ...command, cwd: workdir, waitsForInput: true });
}

/** Gives a waiting process its job. */
export function giveJob(child: SandboxProcess, job: ScriptJob): void {
  child.writeInput(JSON.stringify(job));
  child.endInput();
}

/** Ends a process that waits for a job and will get none. */
export async function dismiss(child: SandboxProcess): Promise<void> {
  child.endInput();
  const timer = setTimeout(() => void child.kill(0), DISMISS_LIMIT_MS);
  await child.exited;
  clearTimeout(timer);
}
