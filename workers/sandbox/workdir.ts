import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { chmod, lstat, mkdir, readdir, rm, stat } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { removeSmall } from "./small-folder.js";

/** Folders of single executions. */
export interface Workdirs {
  /** The folder that holds them: anybody may pass through it, nobody may list it. */
  readonly root: string;
  /** A new folder, private to its owner, with `artifacts/` and `tmp/` inside. */
  make(): Promise<string>;
  /** Deletes one with all it holds; harmless when it is gone. */
  remove(workdir: string): Promise<void>;
  /** The same without waiting for it; what cannot be deleted is left to the next sweep. */
  removeSoon(workdir: string): void;
  /** Resolves when nothing is being deleted any more. */
  settle(): Promise<void>;
  /** Deletes what workers that died on this machine left. @returns how many. */
  sweep(): Promise<number>;
}

/** How long a folder that is no longer wanted may stay. */
const REMOVAL_DELAY_MS = 100;

/** A folder of another machine's worker is left alone for longer than any execution may take. */
const FOREIGN_AGE_MS = 48 * 3_600_000;

/** Opens the root of work folders, making it if need be. */
export async function openWorkdirs({ root }: { root: string }): Promise<Workdirs> {
  const absolute = resolve(root);
  await mkdir(absolute, { recursive: true });
  await chmod(absolute, 0o711);
  const host = createHash("sha256").update(hostname()).digest("hex").slice(0, 8);

  const isOurs = (workdir: string): boolean => dirname(resolve(workdir)) === absolute;

  async function remove(workdir: string): Promise<void> {
    if (!isOurs(workdir)) throw new Error("Not a work folder of this root");
    await rm(workdir, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 });
  }

  const removals = new Set<Promise<void>>();
  let later: Promise<void> | undefined;

  /** Shared by all that come meanwhile: by then the kernel has let go of what was mounted there, and nothing waits for it. */
  function waitABit(): Promise<void> {
    later ??= sleep(REMOVAL_DELAY_MS).finally(() => {
      later = undefined;
    });
    return later;
  }

  return {
    root: absolute,
    remove,
    removeSoon(workdir) {
      const removal = waitABit()
        .then(async () => {
          if (!isOurs(workdir) || !removeSmall(workdir)) await remove(workdir);
        })
        .catch(() => undefined)
        .finally(() => removals.delete(removal));
      removals.add(removal);
    },
    async settle() {
      await Promise.all(removals);
    },
    // three calls that take microseconds: through the pool of threads they would cost twenty times as much
    async make() {
      const workdir = join(absolute, `${host}-${process.pid}-${randomBytes(9).toString("hex")}`);
      mkdirSync(workdir, { mode: 0o700 });
      for (const name of ["artifacts", "tmp"]) mkdirSync(join(workdir, name));
      return workdir;
    },
    async sweep() {
      let count = 0;
      for (const name of await readdir(absolute)) {
        const match = /^([0-9a-f]{8})-(\d+)-[0-9a-f]{18}$/.exec(name);
        if (!match) continue;
        const isOfThisHost = match[1] === host;
        const isStale = isOfThisHost ? !isAlive(Number(match[2])) : await isOlderThan(join(absolute, name));
        if (!isStale) continue;
        await rm(join(absolute, name), { recursive: true, force: true });
        count += 1;
      }
      return count;
    },
  };
}

/** Whether any user may pass through a folder and all that lead to it. */
export async function isTraversable(folder: string): Promise<boolean> {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const found = await stat(at).catch(() => undefined);
    if (found && (found.mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

/**
 * A folder under the system's temporary one, for a root that other users cannot reach.
 * @throws Error when somebody else made it first: it may hold traps.
 */
export async function makeFallbackRoot(wanted: string): Promise<string> {
  const name = createHash("sha256").update(resolve(wanted)).digest("hex").slice(0, 16);
  const root = join(tmpdir(), `headrace-work-${name}`);
  await mkdir(root, { recursive: true });
  const found = await lstat(root);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) {
    throw new Error(`${root} belongs to somebody else`);
  }
  return root;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function isOlderThan(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > FOREIGN_AGE_MS;
}
