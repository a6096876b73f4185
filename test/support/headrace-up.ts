import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** The root of the checkout. */
export const repository = fileURLToPath(new URL("../../", import.meta.url));
const program = join(repository, "bin", "headrace.mjs");

/** How a command ended. */
export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A data folder that the embedded PostgreSQL's own user may enter. */
export function makeDataDir(): string {
  const folder = mkdtempSync(join(tmpdir(), "headrace-up-"));
  chmodSync(folder, 0o711);
  return folder;
}

/** An environment with nothing of the test's own: only what a bare shell has, and what is given. */
function bareEnvironment(settings: Record<string, string>): Record<string, string> {
  return { PATH: process.env["PATH"] ?? "", HOME: process.env["HOME"] ?? "/", ...settings };
}

/** Runs the real program to its end, as a person would. */
export async function headrace(
  args: readonly string[],
  settings: Record<string, string>,
  options: { cwd?: string; timeoutMs?: number } = {},
): Promise<CommandResult> {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: options.cwd ?? repository,
    env: bareEnvironment(settings),
    stdio: ["ignore", "pipe", "pipe"],
    timeout: options.timeoutMs ?? 60_000,
  });
  return await collect(child);
}

async function collect(child: ChildProcess): Promise<CommandResult> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, stdout, stderr };
}

/** A running `headrace up`. */
export interface RunningUp {
  readonly process: ChildProcess;
  readonly url: string;
  readonly result: Promise<CommandResult>;
}

/** Starts `headrace up` and waits until it serves. */
export async function startUp(settings: Record<string, string>): Promise<RunningUp> {
  const child = spawn(process.execPath, [program, "up"], {
    cwd: repository,
    env: bareEnvironment(settings),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const result = collect(child);
  let shown = "";
  child.stdout.on("data", (chunk: Buffer) => (shown += chunk.toString()));
  const deadline = Date.now() + 60_000;
  while (!shown.includes("Ctrl-C stops everything")) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`headrace up did not start: ${(await result).stderr}`);
    }
    await sleep(50);
  }
  const { url } = JSON.parse(readFileSync(join(settings["DATA_DIR"] ?? "", "api.json"), "utf8")) as {
    url: string;
  };
  return { process: child, url, result };
}

/** Stops it as Ctrl-C does. */
export async function stopUp(up: RunningUp): Promise<CommandResult> {
  up.process.kill("SIGTERM");
  return await up.result;
}

/** Removes a data folder, and the cluster's folder that root may have got elsewhere. */
export function removeDataDir(folder: string): void {
  if (existsSync(folder)) rmSync(folder, { recursive: true, force: true });
}
