import type { SandboxCommand } from "../../src/executors/types.js";
import { type LaunchedChild, spawnChild } from "./launched-child.js";
import type { Launch, Launcher, LaunchIdentity } from "./launcher.js";
import type { Zygotes } from "./zygotes.js";

/** What children are launched with. */
export interface LaunchDeps {
  readonly launcher: Launcher;
  readonly zygotes: Zygotes;
}

/** A child behind its walls, before it may begin. */
export interface Launched {
  readonly child: LaunchedChild;
  readonly hasKeepers: boolean;
  /** Whether it lives in a process namespace of its own. */
  readonly isEnclosed: boolean;
  /** Lets it begin. @throws Error when that cannot be; the child is then the caller's to end. */
  begin(): Promise<void>;
  /** Called once, when it has ended. */
  end(): void;
}

/**
 * Starts a command: by a fork of a warm interpreter where it allows that and one can be had, else from nothing.
 * @throws Error when it cannot be started; nothing is left of it then.
 */
export async function launchChild(
  command: SandboxCommand,
  identity: LaunchIdentity,
  notify: (line: string) => void,
  { launcher, zygotes }: LaunchDeps,
): Promise<Launched> {
  const forked = await forkChild(command, identity, notify, { launcher, zygotes });
  if (forked) return forked;
  const launch: Launch = await launcher.prepare(command, identity, notify);
  try {
    const child = await spawnChild({ ...launch, cwd: command.cwd, user: identity.user });
    const hasKeepers = launch.hasKeepers ?? false;
    return {
      child,
      hasKeepers,
      isEnclosed: hasKeepers,
      begin: async () => await launch.begin?.(child.process),
      end: () => launch.end?.(),
    };
  } catch (error) {
    launch.end?.();
    throw error;
  }
}

async function forkChild(
  command: SandboxCommand,
  identity: LaunchIdentity,
  notify: (line: string) => void,
  { launcher, zygotes }: LaunchDeps,
): Promise<Launched | undefined> {
  const { warm } = command;
  if (!warm || !launcher.prepareFork || !zygotes.isReady(warm.interpreter)) return undefined;
  const { walls, env, serve, end = () => undefined } = launcher.prepareFork(command, identity, notify);
  const child = await zygotes.fork(warm.interpreter, {
    cwd: command.cwd,
    user: identity.user,
    prefix: warm.environment,
    env,
    walls,
    ...(serve && { serve }),
  });
  if (!child) end();
  if (!child) return undefined;
  const isEnclosed = walls.namespaces !== undefined;
  return { child, hasKeepers: false, isEnclosed, begin: () => Promise.resolve(), end };
}
