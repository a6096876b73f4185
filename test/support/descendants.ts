import { readdirSync, readFileSync } from "node:fs";

/** A process and its command line. */
export interface Descendant {
  readonly pid: number;
  readonly command: string;
}

/** Every process below one, by /proc; PostgreSQL's and a worker's children too. */
export function findDescendants(pid: number): Descendant[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {
      // it ended while we looked
    }
  }
  const found: Descendant[] = [];
  const queue = [pid];
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    for (const [child, parent] of parents) {
      if (parent !== at) continue;
      queue.push(child);
      found.push({ pid: child, command: commandOf(child) });
    }
  }
  return found;
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}
