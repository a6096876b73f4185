import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const READY_LIMIT_MS = 60_000;

/** One process of the built program. */
export interface RoleProcess {
  readonly pid: number;
  /** Where an API listens; empty for the others. */
  readonly address: string;
  /** Settles when it has ended, by whatever, with its exit code (null: by a signal). */
  readonly ended: Promise<number | null>;
  /** What it has printed so far: its log. */
  output(): string;
  /** Sends a signal and nothing more. */
  signal(name: NodeJS.Signals): void;
  /** SIGKILL; resolves when it is gone. Call in `afterAll`. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with its exit code (null: by a signal) and how long that took. */
  stop(): Promise<{ readonly code: number | null; readonly tookMs: number }>;
}

/** How a process is started. */
export interface RoleOptions {
  /** Command line after the role's name. */
  readonly args?: readonly string[];
  /** The folder of another built program. Default: this checkout. */
  readonly program?: string;
  /** Told the process's id before it is ready. */
  readonly onSpawn?: (pid: number) => void;
}

/**
 * Starts `headrace api`, `worker` or `scheduler` from `dist/`, with these settings and nothing of the test's own.
 * Resolves when it says that it is ready. @throws Error with what it printed when it ends before that.
 */
export async function spawnRole(
  role: "api" | "worker" | "scheduler",
  environment: Readonly<Record<string, string>>,
  options: RoleOptions = {},
): Promise<RoleProcess> {
  const args = ["dist/src/cli/main.js", role, "--supervised", ...(options.args ?? [])];
  const child = spawn(process.execPath, args, {
    cwd: options.program ?? ROOT,
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...environment },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  options.onSpawn?.(child.pid ?? 0);
  let printed = "";
  const keep = (chunk: Buffer): void => {
    printed = (printed + chunk.toString()).slice(-200_000);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const address = await waitUntilReady(child, () => `headrace ${role}: ${printed}`);
  return {
    pid: child.pid ?? 0,
    address,
    ended,
    output: () => printed,
    signal: (name) => void child.kill(name),
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
    async stop() {
      const startedAt = performance.now();
      child.kill("SIGTERM");
      const code = await ended;
      return { code, tookMs: performance.now() - startedAt };
    },
  };
}

async function waitUntilReady(child: ChildProcess, describe: () => string): Promise<string> {
  return await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(new Error(`not ready in ${READY_LIMIT_MS} ms: ${describe()}`));
    }, READY_LIMIT_MS);
    child.on("message", (message: { type: string; address?: string; message?: string }) => {
      clearTimeout(timer);
      if (message.type === "ready") resolve(message.address ?? "");
    });
    child.once("close", () => {
      clearTimeout(timer);
      reject(new Error(`ended before it was ready: ${describe()}`));
    });
    child.once("error", reject);
  });
}
