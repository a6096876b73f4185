import { setTimeout as sleep } from "node:timers/promises";
import {
  findProcess,
  findUserId,
  hasEnvironmentEntry,
  listDescendants,
  listProcesses,
  type ProcessEntry,
} from "./process-table.js";

/** Every process that one execution started, however far it has strayed. */
export interface ProcessTree {
  /**
   * Its living members by kinship alone, strays left out, at the least cost: for looks that come again and again.
   * @param listAll all processes of this machine, where these have to be gone through; by default read anew.
   */
  kin(listAll?: () => readonly ProcessEntry[]): ProcessEntry[];
  /**
   * SIGTERM, then SIGKILL after `graceMs` (0: at once).
   * @returns the members that outlived even that; empty in all but freak cases.
   */
  kill(graceMs: number): Promise<ProcessEntry[]>;
  /** Whether `kill` ever found anything to end. */
  hasKilled(): boolean;
}

/** How to know a member. */
export interface ProcessTreeOptions {
  readonly rootPid: number;
  /** `NAME=value` in the environment of everything that it starts. */
  readonly marker: string;
  /** The user id that belongs to this execution alone at this moment, if it has one. */
  readonly findOwnUid?: () => number | undefined;
  /**
   * Whether the root and its first child are keepers of the sandbox: told to end, they would take the rest with them
   * before it could clean up, so they are only ever killed.
   */
  readonly hasKeepers?: boolean;
  /** Whether all of it lives in a process namespace whose first process is the root or a child of it: none can leave. */
  readonly isEnclosed?: boolean;
}

const KILL_LIMIT_MS = 5_000;

/** Opens the tree of a process that was just started. */
export function createProcessTree(options: ProcessTreeOptions): ProcessTree {
  const members = createMembership(options);
  const isKeeper = ({ pid, parentPid }: ProcessEntry): boolean =>
    options.hasKeepers === true && (pid === options.rootPid || parentPid === options.rootPid);
  let hasKilled = false;

  /** Stops every member before any is killed: what is stopped cannot fork away from the next look. */
  function freeze(): ProcessEntry[] {
    const frozen = new Map<number, ProcessEntry>();
    for (let pass = 0; pass < 20; pass += 1) {
      const fresh = members().filter((entry) => !frozen.has(entry.pid));
      if (fresh.length === 0) break;
      for (const entry of fresh) {
        sendSignal(entry.pid, "SIGSTOP");
        frozen.set(entry.pid, entry);
      }
    }
    return [...frozen.values()];
  }

  return {
    kin(listAll = listProcesses) {
      const found = options.isEnclosed ? listDescendants(options.rootPid) : undefined;
      // they are remembered: `kill` finds them even when no tie leads to them any more
      return members({ processes: found ?? listAll(), thorough: false });
    },
    hasKilled: () => hasKilled,
    async kill(graceMs) {
      if (graceMs > 0) {
        for (const entry of members()) if (!isKeeper(entry)) sendSignal(entry.pid, "SIGTERM");
        const graceEndsAt = performance.now() + graceMs;
        while (performance.now() < graceEndsAt && members().length > 0) await sleep(20);
      }
      const endsAt = performance.now() + KILL_LIMIT_MS;
      for (;;) {
        const left = freeze();
        if (left.length === 0 || performance.now() > endsAt) return left;
        hasKilled = true;
        for (const entry of left) sendSignal(entry.pid, "SIGKILL");
        await sleep(5);
      }
    },
  };
}

/**
 * Members are known by kinship (parent, group, session), by having been a member before, and, for those that
 * broke all ties (double fork, `setsid`), by the execution's own user id or its marker in their environment.
 */
function createMembership({ rootPid, marker, findOwnUid }: ProcessTreeOptions) {
  const startedAt = findProcess(rootPid)?.startTicks ?? 0;
  const startByPid = new Map<number, number>([[rootPid, startedAt]]);

  function isStray(entry: ProcessEntry): boolean {
    if (entry.startTicks < startedAt || entry.pid === process.pid) return false;
    const uid = findOwnUid?.();
    // A user of its own cannot be left, whereas an environment can be cleared.
    if (uid !== undefined) return findUserId(entry.pid) === uid;
    return hasEnvironmentEntry(entry.pid, marker);
  }

  function isKin(entry: ProcessEntry): boolean {
    if (startByPid.get(entry.pid) === entry.startTicks) return true;
    // Nothing that is older than the execution can be a child of it: guards against reused pids.
    if (entry.startTicks < startedAt) return false;
    return [entry.parentPid, entry.groupId, entry.sessionId].some((pid) => startByPid.has(pid));
  }

  /** A pid that now names another process must not make that one's children ours. */
  function forgetReusedPids(processes: readonly ProcessEntry[]): void {
    for (const entry of processes) {
      const known = startByPid.get(entry.pid);
      if (known !== undefined && known !== entry.startTicks) startByPid.delete(entry.pid);
    }
  }

  /**
   * The living members among `processes`. `thorough` also looks for strays by user id and environment; without it only
   * kinship counts, which costs no further reads.
   */
  return ({
    processes = listProcesses(),
    thorough = true,
  }: {
    processes?: readonly ProcessEntry[];
    thorough?: boolean;
  } = {}): ProcessEntry[] => {
    forgetReusedPids(processes);
    const found: ProcessEntry[] = [];
    let rest = [...processes];
    for (let isGrowing = true; isGrowing; ) {
      const kin = rest.filter(isKin);
      for (const entry of kin) startByPid.set(entry.pid, entry.startTicks);
      found.push(...kin);
      rest = rest.filter((entry) => !startByPid.has(entry.pid));
      isGrowing = kin.length > 0;
    }
    const strays = thorough ? rest.filter(isStray) : [];
    for (const entry of strays) startByPid.set(entry.pid, entry.startTicks);
    return [...found, ...strays];
  };
}

/** Sends a signal; one that is gone already needs none. */
function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
