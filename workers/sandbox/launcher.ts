import type { ChildProcess } from "node:child_process";
import type { Server } from "node:net";
import type { SandboxCommand } from "../../src/executors/types.js";
import type { Mount } from "./isolation-policy.js";
import type { ResourceLimits } from "./launch-plan.js";

/** What one execution is started with beside its command. */
export interface LaunchIdentity {
  /** The whole environment of the command. */
  readonly env: Readonly<Record<string, string>>;
  /** The entry of `env` that marks all processes of the execution, and must mark those of ours around it too. */
  readonly marker: { readonly name: string; readonly value: string };
  /** The user that it runs as, where it has one of its own. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
}

/** A prepared start: what to spawn, and what to do around it. */
export interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Pipes that it wants from descriptor 4 on, beside the four of every child. */
  readonly extraPipes?: number;
  /**
   * Lets the command begin, once its process is there.
   * @throws Error when it cannot; the process is then ended.
   */
  begin?(child: ChildProcess): Promise<void>;
  /** Whether the process and its first child are the sandbox's own and must outlive the command. */
  readonly hasKeepers?: boolean;
  /** Says what the operator's network saw of it, and frees what the execution held outside. Called once, at its end. */
  end?(): void;
}

/** What a forked interpreter puts around itself before it runs anything of a user's: plain data for `zygote.py`. */
export interface ForkWalls {
  readonly limits: ResourceLimits;
  readonly network: boolean;
  /** No way to gain privileges by a program that has them. */
  readonly hardened: boolean;
  /** Namespaces of its own, in which it sees these mounts and nothing else. */
  readonly namespaces?: { readonly mounts: readonly Mount[]; readonly hostname: string };
  /** Ports of its own loopback on which the worker is to listen. */
  readonly ports?: readonly number[];
  /** The seccomp program in base64. */
  readonly seccomp?: string;
}

/** A fork that stands behind the same walls as a command of this level. */
export interface ForkLaunch {
  readonly walls: ForkWalls;
  readonly env: Readonly<Record<string, string>>;
  /** Takes the socket that listens on one of the ports. */
  serve?(port: number, server: Server): void;
  /** As {@link Launch.end}. */
  end?(): void;
}

/** How a level puts its walls around a command. */
export interface Launcher {
  /** @param notify takes lines for the execution's log. */
  prepare(command: SandboxCommand, identity: LaunchIdentity, notify: (line: string) => void): Promise<Launch>;
  /** The same for a fork of a warm interpreter; a level that cannot has commands started from nothing. */
  prepareFork?(command: SandboxCommand, identity: LaunchIdentity, notify: (line: string) => void): ForkLaunch;
  close?(): Promise<void>;
}
