import { isDeepStrictEqual } from "node:util";
import type { SandboxProcess, WarmGround } from "../types.js";
import { dismiss, type ScriptStart, startWaiting } from "./waiting-process.js";

/** A process that waits for its one job in a work folder of its own. */
export interface WaitingProcess {
  readonly child: SandboxProcess;
  readonly start: ScriptStart;
}

/** Processes that were started ahead, each for one execution. */
export interface WarmPool {
  /** The work folder of a process that waits for a job of this kind; {@link WarmPool.claim} then gives the process. */
  take(kind: string): string | undefined;
  /** The process that waits in a folder that was taken. */
  claim(workdir: string): WaitingProcess | undefined;
  /** Says how an execution of this kind was started. From the second on, processes are kept ready for the next. */
  learn(kind: string, start: ScriptStart): void;
  /** Ends all that still wait, and removes their folders. */
  close(): Promise<void>;
}

/** What a pool is made from. */
export interface WarmPoolDeps {
  readonly ground: WarmGround;
  /** Processes that may wait at once, of all kinds together. */
  readonly maxProcesses: number;
  /** How long a kind may go unused before its processes are ended; a minute by default. */
  readonly idleMs?: number;
}

interface Ready extends WaitingProcess {
  readonly workdir: string;
}

/** What is kept of one kind. */
interface Shelf {
  start: ScriptStart;
  useCount: number;
  usedAt: number;
  readonly ready: Ready[];
  startingCount: number;
  /** The last one could not be started: no more until the next execution has shown how it is done. */
  isBlocked: boolean;
}

/** So many are kept ready of each kind: one for the next execution and one for the one behind it. */
const AHEAD = 2;
const DEFAULT_IDLE_MS = 60_000;

/** A pool that has nothing at first. Each process is used once, and replaced in the background. */
export function createWarmPool({ ground, maxProcesses, idleMs = DEFAULT_IDLE_MS }: WarmPoolDeps): WarmPool {
  const shelves = new Map<string, Shelf>();
  const claimable = new Map<string, WaitingProcess>();
  const work = new Set<Promise<void>>();
  let isClosed = false;

  const timer = setInterval(endIdle, Math.max(50, idleMs / 4));
  timer.unref();

  function inBackground(task: Promise<void>): void {
    const settled = task.catch(() => undefined).finally(() => work.delete(settled));
    work.add(settled);
  }

  function count(): number {
    let sum = 0;
    for (const { ready, startingCount } of shelves.values()) sum += ready.length + startingCount;
    return sum;
  }

  async function discard({ child, workdir }: Ready): Promise<void> {
    await dismiss(child);
    await ground.removeWorkdir(workdir);
  }

  function endIdle(): void {
    const oldest = performance.now() - idleMs;
    for (const [kind, shelf] of shelves) {
      if (shelf.usedAt > oldest) continue;
      shelves.delete(kind);
      for (const ready of shelf.ready.splice(0)) inBackground(discard(ready));
    }
  }

  /** Room for one more, if need be at the cost of the kind that was used longest ago. */
  function makeRoom(wanted: Shelf): boolean {
    if (count() < maxProcesses) return true;
    const [stalest] = [...shelves.values()]
      .filter((shelf) => shelf !== wanted && shelf.ready.length > 0)
      .sort((one, other) => one.usedAt - other.usedAt);
    const victim = stalest && stalest.usedAt < wanted.usedAt ? stalest.ready.pop() : undefined;
    if (victim) inBackground(discard(victim));
    return victim !== undefined;
  }

  function fill(shelf: Shelf): void {
    while (
      !isClosed &&
      !shelf.isBlocked &&
      shelf.useCount > 1 &&
      shelf.ready.length + shelf.startingCount < AHEAD &&
      makeRoom(shelf)
    ) {
      shelf.startingCount += 1;
      inBackground(add(shelf).finally(() => (shelf.startingCount -= 1)));
    }
  }

  async function add(shelf: Shelf): Promise<void> {
    const { start } = shelf;
    const workdir = await ground.makeWorkdir();
    let child: SandboxProcess;
    try {
      child = await startWaiting(ground.sandbox, workdir, start);
    } catch (error) {
      shelf.isBlocked = true;
      await ground.removeWorkdir(workdir);
      throw error;
    }
    const ready: Ready = { child, start, workdir };
    const isWanted = !isClosed && shelf.start === start && [...shelves.values()].includes(shelf);
    if (!isWanted) {
      await discard(ready);
      return;
    }
    shelf.ready.push(ready);
    void child.exited.then(() => forget(shelf, ready));
  }

  /** One that ended while it waited is of no use to anybody. */
  function forget(shelf: Shelf, ready: Ready): void {
    const at = shelf.ready.indexOf(ready);
    if (at === -1) return;
    shelf.ready.splice(at, 1);
    shelf.isBlocked = true;
    inBackground(ground.removeWorkdir(ready.workdir));
  }

  return {
    take(kind) {
      const shelf = shelves.get(kind);
      const ready = shelf?.ready.shift();
      if (!shelf || !ready) return undefined;
      shelf.usedAt = performance.now();
      claimable.set(ready.workdir, ready);
      return ready.workdir;
    },
    claim(workdir) {
      const waiting = claimable.get(workdir);
      claimable.delete(workdir);
      return waiting;
    },
    learn(kind, start) {
      const known = shelves.get(kind);
      const shelf: Shelf = known ?? {
        start,
        useCount: 0,
        usedAt: 0,
        ready: [],
        startingCount: 0,
        isBlocked: false,
      };
      shelves.set(kind, shelf);
      shelf.useCount += 1;
      shelf.usedAt = performance.now();
      shelf.isBlocked = false;
      if (!canStandIn(shelf.start, start)) {
        shelf.start = start;
        for (const ready of shelf.ready.splice(0)) inBackground(discard(ready));
      }
      fill(shelf);
    },
    async close() {
      isClosed = true;
      clearInterval(timer);
      for (const { ready } of shelves.values()) for (const one of ready.splice(0)) inBackground(discard(one));
      shelves.clear();
      while (work.size > 0) await Promise.all(work);
    },
  };
}

/** Whether a process that was started one way is as good as one started the other: the same but for a longer time-out. */
export function canStandIn(started: ScriptStart, wanted: ScriptStart): boolean {
  const { timeoutSeconds } = started;
  return timeoutSeconds >= wanted.timeoutSeconds && isDeepStrictEqual(started, { ...wanted, timeoutSeconds });
}
