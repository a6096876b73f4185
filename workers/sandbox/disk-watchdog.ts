import type { Dir } from "node:fs";
import { lstat, opendir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ProcessTree } from "./process-tree.js";

/** One execution under watch. */
export interface WatchedFolder {
  readonly folder: string;
  /** Whose open files count although their names are deleted. */
  readonly tree: ProcessTree;
  /** Called once. */
  onExceeded(): void;
}

/** What an execution may keep in its folder while it runs. */
export interface DiskLimits {
  readonly maxBytes: number;
  readonly maxEntries: number;
}

/** Looks at what executions leave in their work folders while they run. */
export interface DiskWatchdog {
  /** @returns a function that ends the watch. */
  watch(watched: WatchedFolder): () => void;
}

const FIRST_LOOK_MS = 250;
const LEAST_PAUSE_MS = 500;
/** At most this share of the time goes into looking at one folder. */
const COST_FACTOR = 20;
const BLOCK_BYTES = 512;
/** Descriptors looked at in one pass: user code decides how many there are. */
const MOST_DESCRIPTORS = 4_096;

/**
 * Ends executions whose folder holds too many bytes or entries. Quotas of file systems would do it better and are seldom
 * there; between two looks a step can write what the disk takes in that time.
 */
export function createDiskWatchdog(limits: DiskLimits): DiskWatchdog {
  return {
    watch({ folder, tree, onExceeded }) {
      const stopped = new AbortController();
      void (async () => {
        let pauseMs = FIRST_LOOK_MS;
        for (;;) {
          await sleep(pauseMs, undefined, { signal: stopped.signal, ref: false });
          const startedAt = performance.now();
          const use = await measure(folder, limits, stopped.signal);
          use.bytes += await measureDeleted(folder, tree);
          if (stopped.signal.aborted) return;
          if (use.bytes > limits.maxBytes || use.entries > limits.maxEntries) return onExceeded();
          pauseMs = Math.max(LEAST_PAUSE_MS, (performance.now() - startedAt) * COST_FACTOR);
        }
      })().catch(() => undefined); // aborted: the execution has ended
      return () => stopped.abort();
    },
  };
}

interface Use {
  bytes: number;
  entries: number;
}

/** Blocks rather than lengths: a sparse file costs what it holds. Stops as soon as it is too much. */
async function measure(root: string, limits: DiskLimits, signal: AbortSignal): Promise<Use> {
  const use: Use = { bytes: 0, entries: 0 };
  const folders = [root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const opened: Dir | undefined = await opendir(folder).catch(() => undefined);
    if (!opened) continue; // gone, or closed to us
    for await (const entry of opened) {
      const path = join(folder, entry.name);
      use.entries += 1;
      const found = await lstat(path).catch(() => undefined);
      use.bytes += (found?.blocks ?? 0) * BLOCK_BYTES;
      if (found?.isDirectory()) folders.push(path);
      if (signal.aborted || use.bytes > limits.maxBytes || use.entries > limits.maxEntries) return use;
    }
  }
  return use;
}

/** Files on the folder's disk that have no name any more and live on while they are open. */
async function measureDeleted(folder: string, tree: ProcessTree): Promise<number> {
  const disk = (await stat(folder).catch(() => undefined))?.dev;
  const seen = new Set<number>();
  let bytes = 0;
  let count = 0;
  for (const { pid } of tree.kin()) {
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      count += 1;
      if (count > MOST_DESCRIPTORS) return bytes;
      const found = await stat(`/proc/${pid}/fd/${fd}`).catch(() => undefined);
      if (!found?.isFile() || found.nlink > 0 || found.dev !== disk || seen.has(found.ino)) continue;
      seen.add(found.ino);
      bytes += found.blocks * BLOCK_BYTES;
    }
  }
  return bytes;
}
