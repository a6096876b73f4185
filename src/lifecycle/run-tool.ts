import { spawn } from "node:child_process";

/** How to run a short-lived program. */
export interface ToolOptions {
  readonly uid?: number;
  readonly gid?: number;
  readonly cwd?: string;
  /** The whole environment of the program; by default a minimal one. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

/** How a short-lived program ended. `code` is null when it could not start, was killed, or took too long. */
export interface ToolResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The environment of system programs: nothing of ours. */
export const BARE_ENVIRONMENT = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  LC_ALL: "C",
  TZ: "UTC",
};

const MOST_OUTPUT = 64 * 1024;

/** Runs a program to its end. Never throws: a program that is missing answers with `code: null` and the reason in `stderr`. */
export async function runTool(
  command: string,
  args: readonly string[],
  options: ToolOptions,
): Promise<ToolResult> {
  return await new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? "/",
      env: { ...(options.environment ?? BARE_ENVIRONMENT) },
      stdio: ["ignore", "pipe", "pipe"],
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
    });
    // not spawn's own time limit: its timer outlives a program that could not be started
    const limit = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs);
    const finish = (result: ToolResult): void => {
      clearTimeout(limit);
      resolve(result);
    };
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout = (stdout + chunk.toString()).slice(-MOST_OUTPUT)));
    child.stderr.on("data", (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-MOST_OUTPUT)));
    child.on("error", (error) => finish({ code: null, stdout, stderr: `${stderr}${error.message}` }));
    child.on("close", (code) => finish({ code, stdout, stderr }));
  });
}
