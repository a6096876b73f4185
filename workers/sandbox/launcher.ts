import type { ChildProcess } from "node:child_process";
import type { SandboxCommand } from "../../src/executors/types.js";

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

/** How a level puts its walls around a command. */
export interface Launcher {
  /** @param notify takes lines for the execution's log. */
  prepare(command: SandboxCommand, identity: LaunchIdentity, notify: (line: string) => void): Promise<Launch>;
  close?(): Promise<void>;
}
