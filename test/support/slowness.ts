import { spawnSync } from "node:child_process";

/** What an empty Node.js takes on the machines for which times are promised, with nothing beside it. */
const REFERENCE_MS = 45;
const STARTS = 5;

/**
 * How many times as long as promised something may take here and now, 1 at least: machines differ by a factor of three, and
 * jest runs two files at once. Told by starts of an empty Node.js, which need the processor, the disk's cache and the
 * kernel as most things do. Takes half a second; ask right before what is measured.
 */
export function measureSlowness(): number {
  const times = Array.from({ length: STARTS }, () => {
    const startedAt = performance.now();
    spawnSync(process.execPath, ["-e", "0"]);
    return performance.now() - startedAt;
  });
  const [middle = REFERENCE_MS] = times.sort((one, other) => one - other).slice(STARTS >> 1);
  return Math.max(1, middle / REFERENCE_MS);
}
