import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import type { ChildPipes } from "./child-streams.js";

/** How a child's own process ended. */
export interface ChildEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Whether it is certain that nothing which it started is left. */
  readonly isAlone: boolean;
}

/** A child process that has been started, in whichever way. */
export interface LaunchedChild {
  readonly pid: number;
  readonly isWarm: boolean;
  readonly pipes: ChildPipes;
  /** Never rejects. */
  readonly ended: Promise<ChildEnd>;
  /** Resolves when the child has ended and its outputs have been read to their end. */
  readonly closed: Promise<void>;
}

/** What a child is spawned with. */
export interface SpawnPlan {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** Pipes from descriptor 4 on, beside the four of every child. */
  readonly extraPipes?: number | undefined;
}

/** A child of the worker's own, with what a launcher may need of it. */
export interface SpawnedChild extends LaunchedChild {
  readonly process: ChildProcess;
}

/** Starts a program with its pipes in a session of its own. @throws Error when there is no such program or folder. */
export async function spawnChild(plan: SpawnPlan): Promise<SpawnedChild> {
  const { command, args, cwd, env, user, extraPipes = 0 } = plan;
  const child = spawn(command, args, {
    cwd,
    detached: true,
    stdio: Array.from({ length: 4 + extraPipes }, () => "pipe" as const),
    ...(user && { uid: user.uid, gid: user.gid }),
    env,
  });
  await hasSpawned(child);
  const [stdin, stdout, stderr, control] = child.stdio as unknown as [Writable, Readable, Readable, Readable];
  return {
    process: child,
    pid: child.pid as number,
    isWarm: false,
    pipes: { stdin, stdout, stderr, control },
    ended: new Promise((resolve) => {
      child.once("exit", (exitCode, signal) => resolve({ exitCode, signal, isAlone: false }));
    }),
    closed: new Promise((resolve) => child.once("close", () => resolve())),
  };
}

function hasSpawned(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", () => {
      child.off("error", reject);
      // Later errors are failed signals: the process is gone, which its exit tells.
      child.on("error", () => undefined);
      resolve();
    });
    child.once("error", reject);
  });
}
