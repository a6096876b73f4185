import { chown, lchown, lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Guardian } from "./guardian.js";
import { giveAwaySmall } from "./small-folder.js";
import { createSlotPool } from "./slot-pool.js";

/** A user of an execution's own, held while any of its processes runs. */
export interface StepUser {
  readonly uid: number;
  readonly gid: number;
  /** Whether no other execution runs as this user now, so that all its processes are this one's. */
  isExclusive(): boolean;
  /** `isDirty`: processes of this user were killed rather than ended. */
  release(isDirty: boolean): void;
}

/** Hands out unprivileged users; those that work in the same folder at the same time share one. */
export interface StepUsers {
  /** Takes a user and gives it the folder with all that is in it. */
  take(workdir: string): Promise<StepUser>;
  close(): void;
}

interface Holder {
  readonly ready: Promise<number>;
  count: number;
  isDirty: boolean;
}

/** Users for a worker that runs as root. */
export function createStepUsers({ guardian }: { guardian: Guardian }): StepUsers {
  const slots = createSlotPool();
  const holders = new Map<string, Holder>();

  async function prepare(workdir: string): Promise<number> {
    const uid = await slots.acquire();
    try {
      guardian.coverUserId(uid);
      if (!giveAwaySmall(workdir, uid)) await giveAway(workdir, uid);
      return uid;
    } catch (error) {
      slots.release(uid, false);
      throw error;
    }
  }

  return {
    async take(workdir) {
      // Given away once, before any of its processes runs: a running one could swap a folder for a link meanwhile.
      const holder: Holder = holders.get(workdir) ?? { ready: prepare(workdir), count: 0, isDirty: false };
      holder.count += 1;
      holders.set(workdir, holder);
      const leave = (): boolean => {
        holder.count -= 1;
        return holder.count === 0 && holders.delete(workdir);
      };
      try {
        const uid = await holder.ready;
        return {
          uid,
          gid: uid,
          isExclusive: () => holder.count === 1,
          release(isDirty) {
            holder.isDirty ||= isDirty;
            if (leave()) slots.release(uid, holder.isDirty);
          },
        };
      } catch (error) {
        leave();
        throw error;
      }
    },
    close: () => slots.close(),
  };
}

/**
 * Changes the owner of a folder and all in it. Links are never followed, and a file with a second name is left
 * alone: user code could have made that name for a file that it may not own.
 */
async function giveAway(folder: string, uid: number): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      await giveAway(path, uid);
      continue;
    }
    const found = await lstat(path);
    if (found.nlink === 1 || found.isSymbolicLink()) await lchown(path, uid, uid);
  }
  await chown(folder, uid, uid);
}
