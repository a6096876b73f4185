import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { childMessageSchema } from "../src/lifecycle/run-process.js";
import { readBareEnvironment } from "./bench-settings.js";

/** A worker process of a contender. */
export interface WorkerChild {
  readonly pid: number;
  /** Where it listens, for those that do. */
  readonly address: string | undefined;
  /** Milliseconds from its start until it said that it was ready. */
  readonly startMs: number;
  /** Asks it to end, and kills it when it does not. */
  stop(): Promise<void>;
}

const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 20_000;

/**
 * Starts a program of this folder as a worker process, and waits until it says that it is ready. It ends by itself
 * when this process dies.
 * @param options.logFile takes what it says: warnings of the product are findings, see `log-summary.ts`.
 * @param options.nodeArguments flags of Node itself, such as `--cpu-prof`.
 * @param options.nodeProgram another Node than ours.
 * @throws Error when it ends before it is ready, or is not ready in 60 s.
 */
export async function startWorkerChild(options: {
  program: string;
  environment: Readonly<Record<string, string>>;
  logFile: string;
  nodeArguments?: readonly string[];
  nodeProgram?: string;
}): Promise<WorkerChild> {
  const path = fileURLToPath(new URL(`./${options.program}`, import.meta.url));
  const startedAt = performance.now();
  const log = openSync(options.logFile, "a");
  const child = spawn(options.nodeProgram ?? process.execPath, [...(options.nodeArguments ?? []), path], {
    stdio: ["ignore", log, log, "ipc"],
    env: { ...readBareEnvironment(), ...options.environment },
    // Ctrl-C reaches this process only, which ends the others in order
    detached: true,
  });
  closeSync(log);
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  let address: string | undefined;
  try {
    address = await untilReady(child, options.program);
  } catch (error) {
    await stopChild(child, ended);
    throw new Error((error as Error).message, { cause: new Error(lastLines(options.logFile)) });
  }
  const startMs = performance.now() - startedAt;
  return { pid: child.pid ?? 0, address, startMs, stop: () => stopChild(child, ended) };
}

function lastLines(path: string): string {
  return readFileSync(path, "utf8").trimEnd().split("\n").slice(-15).join("\n  ").slice(-2000);
}

async function untilReady(child: ChildProcess, name: string): Promise<string | undefined> {
  return await new Promise<string | undefined>((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`${name} was not ready in 60 s`)), READY_LIMIT_MS);
    const settle = (error?: Error, address?: string): void => {
      clearTimeout(limit);
      if (error) reject(error);
      else resolve(address);
    };
    child.on("message", (raw) => {
      const message = childMessageSchema.safeParse(raw).data;
      if (message?.type === "ready") settle(undefined, message.address);
      if (message?.type === "failed") settle(new Error(message.message));
    });
    child.once("exit", (code, signal) => settle(new Error(`${name} ended at once (${signal ?? code})`)));
    child.once("error", settle);
  });
}

async function stopChild(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.kill("SIGTERM");
  const killer = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT_MS);
  await ended;
  clearTimeout(killer);
}
