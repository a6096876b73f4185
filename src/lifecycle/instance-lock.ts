import { randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { isProcessAlive, processStartMark } from "./running-process.js";
import { StartupError } from "./startup-error.js";

const ownerSchema = z.object({
  pid: z.int().positive(),
  startMark: z.string().nullable(),
  since: z.string(),
});
type Owner = z.infer<typeof ownerSchema>;

/** A hold on a data folder; `release` is safe to call twice. */
export interface InstanceLock {
  release(): void;
}

/**
 * Makes this process the only one that runs Headrace's own database in a data folder. A lock whose process is
 * gone (kill -9, power loss) is taken over; process ids that were given out again are told apart by start time.
 * @throws StartupError naming the process that holds it.
 */
export function acquireInstanceLock(dataDir: string): InstanceLock {
  mkdirSync(dataDir, { recursive: true });
  const path = join(dataDir, "headrace.lock");
  const mine = join(dataDir, `headrace.lock.${process.pid}.${randomBytes(4).toString("hex")}`);
  const owner: Owner = {
    pid: process.pid,
    startMark: processStartMark(process.pid) ?? null,
    since: new Date().toISOString(),
  };
  writeFileSync(mine, JSON.stringify(owner), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 5; attempt += 1) {
      if (tryLink(mine, path)) return { release: () => releaseOwn(path, owner) };
      const held = readOwner(path);
      if (held && isOwnerAlive(held)) {
        throw new StartupError(
          `Headrace is already running on ${dataDir} (process ${held.pid}, since ${held.since}). ` +
            "Stop it first, or set another DATA_DIR.",
        );
      }
      discardStale(path, held);
    }
    throw new StartupError(`The lock file ${path} cannot be taken; other processes keep taking it.`);
  } finally {
    rmSync(mine, { force: true });
  }
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to); // atomic: fails when another has it
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Moves the lock aside before deleting it: of two processes that find it stale, one cannot delete the other's new lock. */
function discardStale(path: string, seen: Owner | undefined): void {
  const aside = `${path}.${randomBytes(4).toString("hex")}.stale`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const moved = readOwner(aside);
  if (moved && isOwnerAlive(moved) && moved.pid !== seen?.pid) tryLink(aside, path);
  rmSync(aside, { force: true });
}

function releaseOwn(path: string, owner: Owner): void {
  const held = readOwner(path);
  if (held?.pid === owner.pid && held.since === owner.since) rmSync(path, { force: true });
}

function readOwner(path: string): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined; // gone, or cut off by a crash: nobody's
  }
}

function isOwnerAlive(owner: Owner): boolean {
  if (!isProcessAlive(owner.pid)) return false;
  const mark = processStartMark(owner.pid);
  return owner.startMark === null || mark === undefined || mark === owner.startMark;
}
