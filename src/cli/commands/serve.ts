import { loadSettings } from "../../config/load-settings.js";
import type { Settings } from "../../config/settings-schema.js";
import { withDatabaseUrl } from "../../lifecycle/database-url.js";
import { asPortError } from "../../lifecycle/port.js";
import { type LongRunning, runProcess } from "../../lifecycle/run-process.js";
import { EXIT, type ExitCode, usageError } from "../cli-error.js";

/** A part of Headrace that runs as a process of its own. */
export type Role = "api" | "worker" | "scheduler";

interface ServeOptions {
  readonly groups?: string;
  readonly concurrency?: number;
  readonly supervised?: boolean;
}

/** `headrace api`, `worker` and `scheduler`: runs until told to stop. */
export async function serve(role: Role, options: ServeOptions): Promise<ExitCode> {
  const settings = withFlags(loadSettings(), options);
  const code = await runProcess({
    start: async () => await startRole(role, await withDatabaseUrl(settings)),
    closeLimitMs: stopLimitMs(role, settings) - 2000,
    isSupervised: options.supervised === true,
    onFatal: (error) => {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    },
  });
  // connections that did not close in time must not keep the process
  setTimeout(() => process.exit(), 1000).unref();
  return code === 0 ? EXIT.ok : EXIT.failed;
}

/** Most milliseconds that a process of this role may take to stop. */
export function stopLimitMs(role: Role, settings: Settings): number {
  return role === "worker" ? settings.DRAIN_SECONDS * 1000 + 12_000 : 12_000;
}

function withFlags(settings: Settings, options: ServeOptions): Settings {
  const groups = options.groups
    ?.split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  if (groups?.length === 0) throw usageError("--groups must name at least one worker group");
  return Object.freeze({
    ...settings,
    ...(groups ? { WORKER_GROUPS: groups } : {}),
    ...(options.concurrency ? { WORKER_CONCURRENCY: options.concurrency } : {}),
  });
}

async function startRole(role: Role, settings: Settings): Promise<LongRunning> {
  const processes = await import("../../processes.js");
  if (role === "api") {
    try {
      return await processes.startApiProcess(settings);
    } catch (error) {
      throw asPortError(error, settings) ?? error;
    }
  }
  if (role === "worker") return await processes.startWorkerProcess(settings);
  return await processes.startSchedulerProcess(settings);
}
