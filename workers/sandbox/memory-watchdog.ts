import { findProcess, findProportionalBytes, listProcesses, type ProcessEntry } from "./process-table.js";
import type { ProcessTree } from "./process-tree.js";

/** One execution under watch. */
export interface WatchedTree {
  readonly tree: ProcessTree;
  readonly limitBytes: number;
  /** Called once, when the tree as a whole holds more than its limit. */
  onExceeded(residentBytes: number): void;
}

/** Looks at the memory of all executions of a worker. */
export interface MemoryWatchdog {
  /** @returns a function that ends the watch. */
  watch(watched: WatchedTree): () => void;
}

const INTERVAL_MS = 100;
/** At most this share of the time goes into looking, on machines with thousands of processes. */
const COST_FACTOR = 20;

/** One timer and at most one reading of all `/proc` serve every execution; it rests while there is none. */
export function createMemoryWatchdog(): MemoryWatchdog {
  const watches = new Set<WatchedTree>();
  let timer: NodeJS.Timeout | undefined;

  function look(): void {
    const startedAt = performance.now();
    let processes: ProcessEntry[] | undefined;
    const listAll = () => (processes ??= listProcesses());
    for (const watched of watches) {
      const bytes = measureTree(watched.tree.kin(listAll), watched.limitBytes);
      if (bytes > watched.limitBytes) {
        watches.delete(watched);
        watched.onExceeded(bytes);
      }
    }
    schedule((performance.now() - startedAt) * COST_FACTOR);
  }

  function schedule(leastMs: number): void {
    timer = watches.size > 0 ? setTimeout(look, Math.max(INTERVAL_MS, leastMs)) : undefined;
    timer?.unref();
  }

  return {
    watch(watched) {
      watches.add(watched);
      if (!timer) schedule(0);
      return () => watches.delete(watched);
    },
  };
}

/** How single processes are looked at; undefined for what cannot be known of them. */
export interface ProcessReader {
  findProportionalBytes(pid: number): number | undefined;
  findProcess(pid: number): Pick<ProcessEntry, "startTicks" | "state"> | undefined;
}

/**
 * Resident bytes; above the limit, forked processes' shared pages are counted once before that is held against them. A
 * process that has ended since it was listed holds nothing: several that end together must not count as so many copies.
 */
export function measureTree(
  members: readonly ProcessEntry[],
  limitBytes: number,
  read: ProcessReader = { findProportionalBytes, findProcess },
): number {
  const resident = members.reduce((sum, entry) => sum + entry.residentBytes, 0);
  if (resident <= limitBytes || members.length === 1) return resident;
  const bytesOf = (entry: ProcessEntry) =>
    read.findProportionalBytes(entry.pid) ?? (hasEnded(entry, read) ? 0 : entry.residentBytes);
  return members.reduce((sum, entry) => sum + bytesOf(entry), 0);
}

function hasEnded(entry: ProcessEntry, read: ProcessReader): boolean {
  const now = read.findProcess(entry.pid);
  return !now || now.startTicks !== entry.startTicks || now.state === "Z" || now.state === "X";
}
