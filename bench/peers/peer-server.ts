import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { readBareEnvironment } from "../bench-settings.js";

/** A program of a peer that runs until it is stopped. */
export interface PeerServer {
  readonly pid: number;
  stop(): Promise<void>;
}

const STOP_LIMIT_MS = 15_000;

/** Starts a program with these settings and nothing of ours. Ctrl-C reaches this process only, which stops it. */
export function startPeerServer(options: {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly logFile: string;
}): PeerServer {
  const log = openSync(options.logFile, "a");
  const child = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: { ...readBareEnvironment(), ...options.environment },
    stdio: ["ignore", log, log],
    detached: true,
  });
  closeSync(log);
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const kill = (signal: NodeJS.Signals): void => {
    try {
      // it leads a group: n8n's runners are its children
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {
      // all of it has ended
    }
  };
  return {
    pid: child.pid ?? 0,
    async stop() {
      kill("SIGTERM");
      const isEnded = await Promise.race([ended.then(() => true), sleep(STOP_LIMIT_MS, false)]);
      if (!isEnded) kill("SIGKILL");
      await ended;
      kill("SIGKILL");
    },
  };
}

/** Asks until the answer is what is wanted. @throws Error after the limit, with the last fault. */
export async function untilAnswer(what: string, ask: () => Promise<boolean>, limitMs: number): Promise<void> {
  const deadline = Date.now() + limitMs;
  let fault = "";
  while (Date.now() < deadline) {
    try {
      if (await ask()) return;
    } catch (error) {
      fault = error instanceof Error ? error.message : String(error);
    }
    await sleep(500);
  }
  throw new Error(`${what} was not ready in ${limitMs / 1000} s ${fault}`);
}
