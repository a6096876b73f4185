import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";
import { findUserId, listProcesses } from "./process-table.js";

/** User ids of which each belongs to one execution at a time, on the whole machine. */
export interface SlotPool {
  /** @throws Error when every id is taken. */
  acquire(): Promise<number>;
  /** Gives an id back; after killed processes (`isDirty`) it rests until the system has forgotten them. */
  release(uid: number, isDirty: boolean): void;
  close(): void;
}

/**
 * Ids that no distribution gives to people or packages: below systemd's dynamic users (61184), inside the 65,536
 * ids that a rootless container has; then a range between those and the subordinate ids (from 100,000).
 */
const RANGES = [
  { first: 61_000, count: 184 },
  { first: 70_000, count: 2_000 },
] as const;

/**
 * A slot is claimed by listening on an abstract socket of its name: the kernel lets one process have it and
 * frees it when that process dies, so that workers on one machine never share an id. Claims are kept for reuse.
 */
export function createSlotPool(): SlotPool {
  const claims = new Map<number, Server>();
  const free: number[] = [];
  const dirty = new Set<number>();
  const candidates = listCandidates();

  return {
    async acquire() {
      for (;;) {
        const reused = free.pop() ?? findClean(dirty);
        if (reused !== undefined) {
          dirty.delete(reused);
          return reused;
        }
        const candidate = candidates.next();
        if (candidate.done) throw new Error("No free user id is left for the sandbox");
        const server = await claim(candidate.value);
        if (!server) continue;
        claims.set(candidate.value, server);
        if (!listUserIds().has(candidate.value)) return candidate.value;
        // Left alone, whoever it is: killing by user id must never hit a stranger.
      }
    },
    release(uid, isDirty) {
      if (!claims.has(uid)) return;
      if (isDirty) dirty.add(uid);
      else free.push(uid);
    },
    close() {
      for (const server of claims.values()) server.close();
      claims.clear();
      free.length = 0;
    },
  };
}

function* listCandidates(): Generator<number, undefined> {
  for (const { first, count } of RANGES) {
    // from a random place: ids that a dead worker has just freed may still be swept by its guardian
    const start = randomInt(count);
    for (let offset = 0; offset < count; offset += 1) yield first + ((start + offset) % count);
  }
  return undefined;
}

function claim(uid: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.unref();
    server.once("error", () => resolve(undefined));
    server.listen(`\0headrace-sandbox-${uid}`, () => resolve(server));
  });
}

/**
 * An id without any process. Dead ones count too until their parent, often a slow process 1, has collected them:
 * the limit on processes holds them against the next execution.
 */
function findClean(dirty: ReadonlySet<number>): number | undefined {
  if (dirty.size === 0) return undefined;
  const inUse = listUserIds();
  return [...dirty].find((uid) => !inUse.has(uid));
}

function listUserIds(): Set<number | undefined> {
  return new Set(listProcesses({ includeDead: true }).map((entry) => findUserId(entry.pid)));
}
