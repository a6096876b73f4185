import { createServer, type Server } from "node:net";
import { findUserId, listProcesses } from "./process-table.js";

/** User ids of which each belongs to one execution at a time, on the whole machine. */
export interface SlotPool {
  /** @throws Error when every id is taken. */
  acquire(): Promise<number>;
  release(uid: number): void;
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
  const candidates = listCandidates();

  return {
    async acquire() {
      for (;;) {
        const reused = free.pop();
        if (reused !== undefined) return reused;
        const candidate = candidates.next();
        if (candidate.done) throw new Error("No free user id is left for the sandbox");
        const server = await claim(candidate.value);
        if (!server) continue;
        claims.set(candidate.value, server);
        if (!isInUse(candidate.value)) return candidate.value;
      }
    },
    release(uid) {
      if (claims.has(uid) && !free.includes(uid)) free.push(uid);
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
    for (let uid = first; uid < first + count; uid += 1) yield uid;
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

/** An id with a living process is left alone, whoever it is: killing by id must never hit a stranger. */
function isInUse(uid: number): boolean {
  return listProcesses().some((entry) => findUserId(entry.pid) === uid);
}
