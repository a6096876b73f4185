import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** Follows how much memory a process holds, until it is told to stop or the process has ended. */
export function watchMemory(pid: number) {
  const read = () => 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  let base = read();
  let most = 0;
  let lately = 0;
  let isStopped = false;
  const watching = (async () => {
    while (!isStopped && existsSync(`/proc/${pid}`)) {
      lately = Math.max(lately, read() - base);
      most = Math.max(most, lately);
      await sleep(200);
    }
  })();
  void watching;
  return {
    /** What it holds now is what it needs by itself. */
    noteBase: () => void (base = Math.max(base, read())),
    /** @returns the most bytes beyond that since it was last asked. */
    peak() {
      const peak = lately;
      lately = 0;
      return peak;
    },
    /** @returns the most bytes that it has held beyond that. */
    stop() {
      isStopped = true;
      return most;
    },
  };
}
