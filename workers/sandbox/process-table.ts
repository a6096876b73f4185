import { readdirSync, readFileSync } from "node:fs";

/** One process of this machine, as `/proc/<pid>/stat` tells it. */
export interface ProcessEntry {
  readonly pid: number;
  readonly parentPid: number;
  readonly groupId: number;
  readonly sessionId: number;
  /** One letter; `Z` and `X` are dead already. */
  readonly state: string;
  /** Start time in clock ticks since boot: with the pid, it names a process for good. */
  readonly startTicks: number;
  readonly residentBytes: number;
}

const AT_PAGESZ = 6n;
let pageSize: number | undefined;

/** Bytes of a memory page, from the kernel's auxiliary vector; 4096 where it cannot be read. */
function getPageSize(): number {
  if (pageSize !== undefined) return pageSize;
  pageSize = 4096;
  const vector = readProcFile("/proc/self/auxv");
  for (let at = 0; vector && at + 16 <= vector.length; at += 16) {
    if (vector.readBigUInt64LE(at) === AT_PAGESZ) pageSize = Number(vector.readBigUInt64LE(at + 8));
  }
  return pageSize;
}

/** A file of `/proc`, or undefined when its process is gone or not ours to read. */
function readProcFile(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

function listNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Whether this system has a `/proc` to look processes up in. */
export function hasProcessTable(): boolean {
  return readProcFile("/proc/self/stat") !== undefined;
}

/** One process, or undefined when there is none with this pid. */
export function findProcess(pid: number): ProcessEntry | undefined {
  const text = readProcFile(`/proc/${pid}/stat`)?.toString("latin1");
  if (text === undefined) return undefined;
  // The command's name is in parentheses and may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return {
    pid,
    state: fields[0] ?? "X",
    parentPid: Number(fields[1]),
    groupId: Number(fields[2]),
    sessionId: Number(fields[3]),
    startTicks: Number(fields[19]),
    residentBytes: Number(fields[21]) * getPageSize(),
  };
}

/**
 * Every living process of this machine, and with `includeDead` those that wait to be collected by their parent.
 * Empty where there is no `/proc`.
 */
export function listProcesses({ includeDead = false }: { includeDead?: boolean } = {}): ProcessEntry[] {
  const entries: ProcessEntry[] = [];
  for (const name of listNames("/proc")) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const entry = findProcess(pid);
    if (entry && (includeDead || (entry.state !== "Z" && entry.state !== "X"))) entries.push(entry);
  }
  return entries;
}

/**
 * A process and all that descend from it by ties of birth, as far as the kernel says whose children are whose. What is
 * born meanwhile may be missed. @returns undefined where the kernel does not say.
 */
export function listDescendants(rootPid: number): ProcessEntry[] | undefined {
  const root = findProcess(rootPid);
  const found = root ? [root] : [];
  for (let at = 0; at < found.length; at += 1) {
    const children = listChildren(found[at]?.pid ?? rootPid);
    if (!children) return undefined;
    found.push(...children.flatMap((pid) => findProcess(pid) ?? []));
  }
  return found.filter(({ state }) => state !== "Z" && state !== "X");
}

/** Children are listed by the thread that bore them. */
function listChildren(pid: number): number[] | undefined {
  const threads = listNames(`/proc/${pid}/task`);
  if (threads.length === 0) return []; // gone meanwhile
  const lists = threads.map((thread) => readProcFile(`/proc/${pid}/task/${thread}/children`));
  if (lists.every((list) => list === undefined)) return findProcess(pid) ? undefined : [];
  return lists.flatMap((list) => list?.toString("latin1").split(" ").filter(Boolean).map(Number) ?? []);
}

/** The real user id of a process; right also for those that hide the rest of their `/proc` folder. */
export function findUserId(pid: number): number | undefined {
  const match = /^Uid:\s+(\d+)/m.exec(readProcFile(`/proc/${pid}/status`)?.toString("latin1") ?? "");
  return match ? Number(match[1]) : undefined;
}

/** Whether a process was started with `NAME=value` in its environment. */
export function hasEnvironmentEntry(pid: number, entry: string): boolean {
  const environment = readProcFile(`/proc/${pid}/environ`);
  return environment?.toString("latin1").split("\0").includes(entry) ?? false;
}

/** Bytes of memory that a process is charged for, shared pages split among their users; undefined if unknown. */
export function findProportionalBytes(pid: number): number | undefined {
  const match = /^Pss:\s+(\d+) kB/m.exec(readProcFile(`/proc/${pid}/smaps_rollup`)?.toString("latin1") ?? "");
  return match ? Number(match[1]) * 1024 : undefined;
}

/** How many processes the kernel has ended for want of memory since boot; 0 where it does not say. */
export function countKernelKills(): number {
  const match = /^oom_kill (\d+)/m.exec(readProcFile("/proc/vmstat")?.toString("latin1") ?? "");
  return match ? Number(match[1]) : 0;
}
