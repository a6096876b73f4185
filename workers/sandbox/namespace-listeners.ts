import { type ChildProcess, spawn } from "node:child_process";
import type { Server } from "node:net";

/** Where a listening socket is wanted. */
export interface ListenerRequest {
  /** A process inside the network namespace, as this machine numbers it. */
  readonly pid: number;
  /** The user that owns the namespace, when it is not the worker's own. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  readonly port: number;
}

/** Opens sockets in the namespaces of steps; the worker accepts on them. */
export interface NamespaceListeners {
  /** @throws Error when the namespace cannot be entered, or the helper does not answer in time. */
  open(request: ListenerRequest): Promise<Server>;
  close(): Promise<void>;
}

const ANSWER_LIMIT_MS = 10_000;

interface Waiting {
  resolve(server: Server): void;
  reject(error: Error): void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Starts the helper that does it, a small Python: entering a namespace needs a process with one thread, which Node.js
 * never is. One that dies is replaced at the next request.
 */
export function startNamespaceListeners(options: {
  readonly python: string;
  readonly script: string;
}): NamespaceListeners {
  const waiting = new Map<number, Waiting>();
  let count = 0;
  let helper: ChildProcess | undefined;

  function settle(id: number, act: (entry: Waiting) => void): void {
    const entry = waiting.get(id);
    if (!entry) return;
    waiting.delete(id);
    clearTimeout(entry.timer);
    act(entry);
    if (waiting.size === 0) helper?.channel?.unref();
  }

  function launch(): ChildProcess {
    const child = spawnHelper(options);
    child.on("message", (message, handle) => {
      const { id, error } = message as { id: number; error?: string };
      if (!waiting.has(id)) (handle as Server | undefined)?.close();
      settle(id, ({ resolve, reject }) =>
        handle ? resolve(handle as Server) : reject(new Error(`The step's network was not opened: ${error}`)),
      );
    });
    const lose = (): void => {
      if (helper === child) helper = undefined;
      for (const id of [...waiting.keys()])
        settle(id, ({ reject }) => reject(new Error("The helper for steps' networks ended")));
    };
    child.once("error", lose);
    child.once("exit", lose);
    return child;
  }

  return {
    open({ pid, user, port }) {
      helper ??= launch();
      const child = helper;
      const id = (count += 1);
      return new Promise<Server>((resolve, reject) => {
        const timer = setTimeout(
          () => settle(id, (entry) => entry.reject(new Error("The step's network was not opened in time"))),
          ANSWER_LIMIT_MS,
        );
        waiting.set(id, { resolve, reject, timer });
        child.channel?.ref();
        child.send({ id, pid, port, ...user }, (error) => {
          if (error) settle(id, (entry) => entry.reject(error));
        });
      });
    },
    async close() {
      const child = helper;
      helper = undefined;
      if (child) await end(child);
    },
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.ref(); // its end is waited for, also by a process that has nothing else to do
  child.kill("SIGKILL");
  await ended;
}

function spawnHelper({ python, script }: { readonly python: string; readonly script: string }): ChildProcess {
  const child = spawn(python, ["-I", "-S", "-c", script], {
    stdio: ["ignore", "ignore", "ignore", "ipc"],
    env: {},
    cwd: "/",
    detached: true, // a signal to the worker's group must not end it before the worker
  });
  child.unref();
  child.channel?.unref();
  return child;
}
