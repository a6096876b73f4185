import { mkdirSync } from "node:fs";
import { launchChild, logHint, type SupervisedChild } from "./supervised-child.js";

/** One process to keep running. */
export interface ChildSpec {
  readonly name: string;
  /** Arguments of our own program. */
  readonly args: readonly string[];
  /** Most milliseconds from SIGTERM to the process's end; then it is killed. */
  readonly stopLimitMs: number;
}

/** Keeps processes of our own program running. */
export interface Supervisor {
  /**
   * Starts a process and waits until it says that it is ready.
   * @returns the address that it serves, if any.
   * @throws StartupError when it cannot start.
   */
  start(spec: ChildSpec): Promise<string | undefined>;
  /** Stops one process; the others go on. */
  stop(name: string): Promise<void>;
  /** Kills all that still run: the second Ctrl-C. */
  killAll(): void;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** Having run this long counts as healthy: the next restart is quick again. */
const STEADY_MS = 60_000;

interface Kept {
  readonly spec: ChildSpec;
  current: SupervisedChild | undefined;
  isKept: boolean;
  failures: number;
  timer: NodeJS.Timeout | undefined;
}

/** Runs parts of Headrace as child processes, and starts one again, with growing pauses, when it dies. */
export function createSupervisor(options: {
  /** The program to run with the spec's arguments. */
  program: string;
  logFolder: string;
  onNotice: (text: string) => void;
}): Supervisor {
  const children = new Map<string, Kept>();
  mkdirSync(options.logFolder, { recursive: true, mode: 0o700 });

  function launch(kept: Kept): Promise<string | undefined> {
    const { name, args } = kept.spec;
    const child = launchChild({ program: options.program, args, name, logFolder: options.logFolder });
    const startedAt = Date.now();
    kept.current = child;
    void child.ended.then((how) => {
      kept.current = undefined;
      if (kept.isKept) scheduleRestart(kept, how, Date.now() - startedAt);
    });
    return child.ready;
  }

  function scheduleRestart(kept: Kept, how: string, livedMs: number): void {
    const { name } = kept.spec;
    kept.failures = livedMs >= STEADY_MS ? 1 : kept.failures + 1;
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** (kept.failures - 1), LONGEST_PAUSE_MS);
    options.onNotice(
      `${name} ended (${how}); starting it again in ${pauseMs / 1000} s. ${logHint(options.logFolder, name)}`,
    );
    kept.timer = setTimeout(() => {
      launch(kept).then(
        () => options.onNotice(`${name} is running again.`),
        () => undefined, // its end schedules the next try
      );
    }, pauseMs);
  }

  return {
    async start(spec) {
      // until it was ready once, its end is a failed start, not a reason to try again
      const kept: Kept = { spec, current: undefined, isKept: false, failures: 0, timer: undefined };
      children.set(spec.name, kept);
      const address = await launch(kept);
      kept.isKept = true;
      return address;
    },
    async stop(name) {
      const kept = children.get(name);
      if (kept) await stopChild(kept);
    },
    killAll() {
      for (const kept of children.values()) {
        kept.isKept = false;
        clearTimeout(kept.timer);
        kept.current?.process.kill("SIGKILL");
      }
    },
  };
}

async function stopChild(kept: Kept): Promise<void> {
  kept.isKept = false;
  clearTimeout(kept.timer);
  const child = kept.current;
  if (!child) return;
  child.process.kill("SIGTERM");
  const killer = setTimeout(() => child.process.kill("SIGKILL"), kept.spec.stopLimitMs);
  await child.ended;
  clearTimeout(killer);
}
