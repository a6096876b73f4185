import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type ExecutionContext, ExecutionError } from "../types.js";
import { followTool } from "./follow-tool.js";
import { findInstallerReach } from "./installer-reach.js";

/** One run of a trusted tool in a folder of the cache. */
export interface InstallerCommand {
  /** For messages: "pip install". */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a tool to its end. @throws ExecutionError `upstream_error` with its last lines when it fails. */
export type RunInstaller = (command: InstallerCommand) => Promise<void>;

const INSTALLER_MEMORY_MB = 4_096;

/**
 * Installers run in the sandbox (limits, clean environment, the whole tree killed on cancel), though as the worker's
 * own user: they write to its cache. They run no code of the packages that they install. Where the sandbox has
 * namespaces, they see the system, their folder and the cache, and reach the indexes that they are set up for.
 */
export function createInstaller(deps: {
  readonly context: ExecutionContext;
  readonly folder: string;
  readonly cacheDir: string;
  readonly env: Readonly<Record<string, string>>;
}): RunInstaller {
  const { context, folder, cacheDir } = deps;
  const { sandbox, emit } = context;
  const caches = {
    PIP_CACHE_DIR: join(cacheDir, "pip-cache"),
    npm_config_cache: join(cacheDir, "npm-cache"),
  };
  return async ({ name, command, args, env }) => {
    emit.log("system", `${name} …`);
    const { hosts, paths, proxy } = findInstallerReach({ ...caches, ...deps.env });
    const writablePaths = Object.values(caches);
    for (const path of writablePaths) await mkdir(path, { recursive: true });
    const child = await sandbox.start({
      command,
      args,
      cwd: folder,
      env: {
        TMPDIR: folder,
        HOME: folder,
        ...caches,
        ...deps.env,
        ...env,
      },
      memoryMb: INSTALLER_MEMORY_MB,
      timeoutSeconds: context.timeoutSeconds,
      network: true,
      identity: "worker",
      readOnlyPaths: paths.filter((path) => !writablePaths.includes(path)),
      tool: { writablePaths, hosts, proxy },
    });
    const { exit, tail } = await followTool(child, context);
    if (exit.exitCode === 0) return;
    const reasons = tail.filter((line) => /\berror\b/i.test(line)).slice(0, 3);
    const reason = reasons.join("; ") || tail.at(-1) || exit.signal || `exit code ${exit.exitCode}`;
    throw new ExecutionError("upstream_error", `${name} failed: ${reason}`.slice(0, 1_000), {
      details: { installer: tail.join("\n") },
    });
  };
}
