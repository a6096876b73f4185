import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { JsonValue } from "../../core/json.js";
import { type ExecutionContext, ExecutionError } from "../types.js";
import { takeLock } from "./environment-lock.js";
import { createInstaller, type RunInstaller } from "./installer.js";

/** What an environment is made of; equal keys share one. */
export interface EnvironmentKey {
  readonly kind: "python" | "node";
  readonly interpreter: string;
  readonly requirements: readonly string[];
  readonly content?: string;
}

/** Fills a new folder, using `install` to run trusted tools. */
export type BuildEnvironment = (folder: string, install: RunInstaller) => Promise<void>;

/** Installed requirements, built once per content and then only read. */
export interface EnvironmentCache {
  /**
   * The folder of an environment, built if need be; other executions and processes that want it meanwhile wait.
   * @throws ExecutionError `upstream_error` when a package cannot be had, or the reason of `context.signal`.
   */
  open(key: EnvironmentKey, build: BuildEnvironment, context: ExecutionContext): Promise<string>;
}

/** What the cache needs. */
export interface EnvironmentCacheDeps {
  /** A folder that the users of steps can reach: environments are run from here. */
  readonly cacheDir: string;
  /** Environment for package installers: indexes, proxies, certificates of this machine. */
  readonly installerEnv: Readonly<Record<string, string>>;
}

const FORMAT = 1;

/**
 * An environment is built in a folder of its own, and a small file that names the folder is then renamed into
 * place: whoever sees that file sees a whole environment, and a build that died leaves nothing that counts.
 */
export function createEnvironmentCache(deps: EnvironmentCacheDeps): EnvironmentCache {
  const store: Store = { root: resolve(deps.cacheDir), installerEnv: deps.installerEnv };
  const ready = new Map<string, string>();
  const building = new Map<string, Promise<string>>();

  return {
    async open(key, build, context) {
      const hash = hashKey(key);
      for (;;) {
        const known = ready.get(hash);
        if (known && (await isFolder(known))) return known;
        const others = building.get(hash);
        const work = others ?? buildAlone(store, hash, build, context);
        if (!others) building.set(hash, work);
        try {
          // whoever builds ends with the tools that it started; an abort kills them
          const folder = await (others ? waitFor(others, context.signal) : work);
          ready.set(hash, folder);
          return folder;
        } catch (error) {
          context.signal.throwIfAborted();
          // The one that built may have been canceled; that must not fail those who waited for it.
          if (!others || !isAbort(error)) throw error;
        } finally {
          if (building.get(hash) === work) building.delete(hash);
        }
      }
    },
  };
}

interface Store {
  readonly root: string;
  readonly installerEnv: Readonly<Record<string, string>>;
}

/** Builds unless another process has done so, or is doing so: then its result is taken. */
async function buildAlone(
  store: Store,
  hash: string,
  build: BuildEnvironment,
  context: ExecutionContext,
): Promise<string> {
  for (;;) {
    const built = await findBuilt(store, hash);
    if (built) return built;
    const lock = await takeLock(`${store.root} ${hash}`, context.signal);
    context.signal.throwIfAborted();
    if (!lock) continue;
    try {
      return (await findBuilt(store, hash)) ?? (await buildOnce(store, hash, build, context));
    } finally {
      lock.release();
    }
  }
}

async function findBuilt({ root }: Store, hash: string): Promise<string | undefined> {
  const name = await readFile(join(root, `${hash}.ready`), "utf8").catch(() => undefined);
  if (name === undefined || !/^[0-9a-f-]+$/.test(name)) return undefined;
  const folder = join(root, name);
  return (await isFolder(folder)) ? folder : undefined;
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() ?? false;
}

async function buildOnce(
  { root, installerEnv }: Store,
  hash: string,
  build: BuildEnvironment,
  context: ExecutionContext,
): Promise<string> {
  const name = `${hash}-${randomBytes(4).toString("hex")}`;
  const folder = join(root, name);
  // Folders that were there before keep their mode: they may hold more than this cache.
  const made = await mkdir(root, { recursive: true });
  if (made !== undefined) await Promise.all([chmod(made, 0o755), chmod(root, 0o755)]);
  await mkdir(folder);
  try {
    await build(folder, createInstaller({ context, folder, cacheDir: root, env: installerEnv }));
    await makeReadable(folder);
    await writeFile(`${folder}.new`, name);
    await rename(`${folder}.new`, join(root, `${hash}.ready`));
    return folder;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

function hashKey(key: EnvironmentKey): string {
  const parts: JsonValue = [
    FORMAT,
    key.kind,
    key.interpreter,
    [...key.requirements].sort(),
    key.content ?? "",
  ];
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
}

/** Users of steps may read and run what the worker installed, whatever its umask is. */
async function makeReadable(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      await makeReadable(path);
    } else if (entry.isFile()) {
      const isExecutable = ((await stat(path)).mode & 0o100) !== 0;
      await chmod(path, isExecutable ? 0o755 : 0o644);
    }
  }
}

async function waitFor<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (stop) signal.removeEventListener("abort", stop);
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof ExecutionError && ["canceled", "timeout"].includes(error.code);
}
