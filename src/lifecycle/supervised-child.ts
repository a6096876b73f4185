import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { createDeferred } from "./deferred.js";
import { type ChildMessage, childMessageSchema } from "./run-process.js";
import { StartupError } from "./startup-error.js";

/** One launch of a supervised process. */
export interface SupervisedChild {
  readonly process: ChildProcess;
  /** Its address, if it serves one, once it says that it is ready; a StartupError when that does not come. */
  readonly ready: Promise<string | undefined>;
  /** How it ended, in words. Never rejects. */
  readonly ended: Promise<string>;
}

const READY_LIMIT_MS = 60_000;
const LARGEST_LOG = 10 * 1024 * 1024;

/**
 * Starts our own program as a child in a process group of its own (so that Ctrl-C reaches only the supervisor,
 * which decides the order), with a log file and a channel whose end tells the child that we are gone.
 */
export function launchChild(options: {
  program: string;
  args: readonly string[];
  name: string;
  logFolder: string;
}): SupervisedChild {
  const { name, logFolder } = options;
  const log = openLog(logFolder, name);
  const child = spawn(
    process.execPath,
    ["--enable-source-maps", options.program, ...options.args, "--supervised"],
    {
      stdio: ["ignore", log, log, "ipc"],
      detached: true,
    },
  );
  closeSync(log);
  const ready = createDeferred<string | undefined>();
  const ended = createDeferred<string>();
  const limit = setTimeout(() => {
    ready.reject(new StartupError(`${name} was not ready in 60 s. ${logHint(logFolder, name)}`));
    child.kill("SIGKILL");
  }, READY_LIMIT_MS);
  child.on("message", (raw) => {
    const message: ChildMessage | undefined = childMessageSchema.safeParse(raw).data;
    if (message) clearTimeout(limit);
    if (message?.type === "ready") ready.resolve(message.address);
    if (message?.type === "failed") ready.reject(new StartupError(message.message));
  });
  const over = (how: string): void => {
    clearTimeout(limit);
    ready.reject(new StartupError(`${name} ended while it started (${how}). ${logHint(logFolder, name)}`));
    ended.resolve(how);
  };
  child.once("exit", (code, signal) => over(signal ? `signal ${signal}` : `exit code ${code}`));
  child.once("error", (error) => over(error.message));
  return { process: child, ready: ready.promise, ended: ended.promise };
}

/** Where a process's log is and how it ends, for a line to a person. */
export function logHint(folder: string, name: string): string {
  const path = join(folder, `${name}.log`);
  const last = existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n").at(-1) : "";
  return last ? `Its log (${path}) ends with: ${last.slice(0, 500)}` : `Its log: ${path}`;
}

/** A log that has grown large makes room at the next start; one older log is kept. */
function openLog(folder: string, name: string): number {
  const path = join(folder, `${name}.log`);
  if (existsSync(path) && statSync(path).size > LARGEST_LOG) renameSync(path, `${path}.1`);
  return openSync(path, "a", 0o600);
}
