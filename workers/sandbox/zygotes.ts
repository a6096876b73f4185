import type { ForkRequest, Zygote, ZygoteOptions } from "./zygote.js";
import { startZygote } from "./zygote.js";
import type { LaunchedChild } from "./launched-child.js";

/** The zygotes of a sandbox, one for each interpreter that has been asked for. */
export interface Zygotes {
  /** Whether there is a zygote to fork from; if not, one is started in the background. */
  isReady(interpreter: string): boolean;
  /** Forks from the interpreter's zygote. @returns undefined when it has none, or it cannot fork what is wanted. */
  fork(interpreter: string, request: ForkRequest): Promise<LaunchedChild | undefined>;
  close(): Promise<void>;
}

/** What zygotes are made from. */
export interface ZygotesDeps {
  /** The environment of a zygote, with a marker as long as any execution's. */
  readonly env: ZygoteOptions["env"];
  readonly warn: (message: string) => void;
}

/** After a failure, starts are cold for this long. */
const PAUSE_MS = 30_000;

interface Entry {
  zygote: Zygote | undefined;
  starting: Promise<void> | undefined;
  blockedUntil: number;
}

/** Starts a zygote with the first execution that could use one; until it is ready, executions start cold. */
export function createZygotes({ env, warn }: ZygotesDeps): Zygotes {
  const entries = new Map<string, Entry>();
  const warned = new Set<string>();
  let isClosed = false;

  function block(entry: Entry, error: unknown): void {
    entry.blockedUntil = performance.now() + PAUSE_MS;
    const message = `Python scripts start cold: ${error instanceof Error ? error.message : String(error)}`;
    if (warned.has(message)) return;
    warned.add(message);
    warn(message);
  }

  async function start(entry: Entry, interpreter: string): Promise<void> {
    try {
      const zygote = await startZygote({ interpreter, env });
      if (isClosed) await zygote.close();
      else entry.zygote = zygote;
    } catch (error) {
      if (!isClosed) block(entry, error);
    } finally {
      entry.starting = undefined;
    }
  }

  return {
    isReady(interpreter) {
      const entry: Entry = entries.get(interpreter) ?? {
        zygote: undefined,
        starting: undefined,
        blockedUntil: 0,
      };
      entries.set(interpreter, entry);
      if (isClosed || entry.blockedUntil > performance.now()) return false;
      if (entry.zygote?.isRunning()) return true;
      entry.starting ??= start(entry, interpreter);
      return false;
    },
    async fork(interpreter, request) {
      const entry = entries.get(interpreter);
      try {
        return await entry?.zygote?.fork(request);
      } catch (error) {
        if (entry) block(entry, error);
        return undefined;
      }
    },
    async close() {
      isClosed = true;
      for (const entry of entries.values()) {
        await entry.starting;
        await entry.zygote?.close();
      }
    },
  };
}
