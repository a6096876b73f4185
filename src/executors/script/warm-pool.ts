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
  /** How many are to be ready or on their way. */
  ahead: number;
  /** The last one could not be started: no more until the next execution has shown how it is done. */
  isBlocked: boolean;
}

/** So many are kept ready of each kind: one for the next execution and one for the one behind it. */
const LEAST_AHEAD = 2;
/** As many are kept once executions have come faster than processes were made. */
const MOST_AHEAD = 4;
const DEFAULT_IDLE_MS = 60_000;

/** A pool that has nothing at first. Each process is used once, and replaced in the background. */
export function createWarmPool({ ground, maxProcesses, idleMs = DEFAULT_IDLE_MS }: WarmPoolDeps): WarmPool {
  return new ShelvedPool(ground, maxProcesses, idleMs);
}

class ShelvedPool implements WarmPool {
  readonly #shelves = new Map<string, Shelf>();
  readonly #claimable = new Map<string, WaitingProcess>();
  readonly #work = new Set<Promise<void>>();
  readonly #timer: NodeJS.Timeout;
  #isClosed = false;

  constructor(
    private readonly ground: WarmGround,
    private readonly maxProcesses: number,
    private readonly idleMs: number,
  ) {
    this.#timer = setInterval(() => this.#endIdle(), Math.max(50, idleMs / 4));
    this.#timer.unref();
  }

  take(kind: string): string | undefined {
    const shelf = this.#shelves.get(kind);
    let ready = shelf?.ready.shift();
    // one that has just died may not have been missed yet
    while (shelf && ready && !isAlive(ready.child.pid)) {
      this.#inBackground(this.#discard(ready));
      ready = shelf.ready.shift();
    }
    if (!shelf) return undefined;
    if (!ready) {
      if (shelf.startingCount > 0) shelf.ahead = Math.min(MOST_AHEAD, shelf.ahead + 1);
      return undefined;
    }
    shelf.usedAt = performance.now();
    this.#claimable.set(ready.workdir, ready);
    return ready.workdir;
  }

  claim(workdir: string): WaitingProcess | undefined {
    const waiting = this.#claimable.get(workdir);
    this.#claimable.delete(workdir);
    return waiting;
  }

  learn(kind: string, start: ScriptStart): void {
    if (this.#isClosed) return;
    const shelf = this.#shelves.get(kind) ?? newShelf(start);
    this.#shelves.set(kind, shelf);
    shelf.useCount += 1;
    shelf.usedAt = performance.now();
    shelf.isBlocked = false;
    if (!canStandIn(shelf.start, start)) {
      shelf.start = start;
      this.#clear(shelf);
    }
    this.#fill(shelf);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    for (const shelf of this.#shelves.values()) this.#clear(shelf);
    this.#shelves.clear();
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  #inBackground(task: Promise<void>): void {
    const settled = task.catch(() => undefined).finally(() => this.#work.delete(settled));
    this.#work.add(settled);
  }

  #clear(shelf: Shelf): void {
    for (const ready of shelf.ready.splice(0)) this.#inBackground(this.#discard(ready));
  }

  async #discard({ child, workdir }: Ready): Promise<void> {
    await dismiss(child);
    await this.ground.removeWorkdir(workdir);
  }

  #endIdle(): void {
    const oldest = performance.now() - this.idleMs;
    for (const [kind, shelf] of this.#shelves) {
      if (shelf.usedAt > oldest) continue;
      this.#shelves.delete(kind);
      this.#clear(shelf);
    }
  }

  #fill(shelf: Shelf): void {
    while (
      !shelf.isBlocked &&
      shelf.useCount > 1 &&
      shelf.ready.length + shelf.startingCount < shelf.ahead &&
      this.#makeRoom(shelf)
    ) {
      shelf.startingCount += 1;
      this.#inBackground(this.#add(shelf).finally(() => (shelf.startingCount -= 1)));
    }
  }

  /** Room for one more, if need be at the cost of the kind that was used longest ago. */
  #makeRoom(wanted: Shelf): boolean {
    const shelves = [...this.#shelves.values()];
    const count = shelves.reduce((sum, { ready, startingCount }) => sum + ready.length + startingCount, 0);
    if (count < this.maxProcesses) return true;
    const [stalest] = shelves
      .filter((shelf) => shelf !== wanted && shelf.ready.length > 0)
      .sort((one, other) => one.usedAt - other.usedAt);
    const victim = stalest?.ready.pop();
    if (victim) this.#inBackground(this.#discard(victim));
    return victim !== undefined;
  }

  async #add(shelf: Shelf): Promise<void> {
    const { start } = shelf;
    const { sandbox, makeWorkdir, removeWorkdir } = this.ground;
    const workdir = await makeWorkdir();
    let child: SandboxProcess;
    try {
      child = await startWaiting(sandbox, workdir, start);
    } catch (error) {
      shelf.isBlocked = true;
      await removeWorkdir(workdir);
      throw error;
    }
    const ready: Ready = { child, start, workdir };
    const isWanted = shelf.start === start && [...this.#shelves.values()].includes(shelf);
    if (!isWanted) return await this.#discard(ready);
    shelf.ready.push(ready);
    void child.exited.then(() => this.#forget(shelf, ready));
  }

  /** One that ended while it waited is of no use to anybody. */
  #forget(shelf: Shelf, ready: Ready): void {
    const at = shelf.ready.indexOf(ready);
    if (at === -1) return;
    shelf.ready.splice(at, 1);
    shelf.isBlocked = true;
    this.#inBackground(this.ground.removeWorkdir(ready.workdir));
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function newShelf(start: ScriptStart): Shelf {
  return { start, useCount: 0, usedAt: 0, ready: [], startingCount: 0, ahead: LEAST_AHEAD, isBlocked: false };
}

/** Whether a process that was started one way is as good as one started the other: the same but for a longer time-out. */
export function canStandIn(started: ScriptStart, wanted: ScriptStart): boolean {
  const { timeoutSeconds } = started;
  return timeoutSeconds >= wanted.timeoutSeconds && isDeepStrictEqual(started, { ...wanted, timeoutSeconds });
}
