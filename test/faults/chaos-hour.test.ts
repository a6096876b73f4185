import { describe, expect, it } from "@jest/globals";
import { hasHeld, toText } from "../chaos/chaos-report.js";
import { runChaos } from "../chaos/run-chaos.js";
import { FAULT_BACKENDS, recordFigures } from "../support/fault-world.js";

/** Ten minutes; a nightly run may take an hour. */
const SECONDS = Number(process.env["CHAOS_SECONDS"] ?? 600);
const RUNS = Number(process.env["CHAOS_RUNS"] ?? 1000);
const SEED = Number(process.env["CHAOS_SEED"] ?? Date.now() % 1_000_000);
const GRACE_MS = 900_000;

describe.each(FAULT_BACKENDS)("F32: an hour of chaos, queues on $name", ({ name, hasRedis }) => {
  it(
    `keeps every promise to ${RUNS} runs while ${SECONDS} s of faults strike, seed ${SEED}`,
    async () => {
      const backend = hasRedis ? "redis" : "postgres";
      const result = await runChaos(backend, { seed: SEED, runs: RUNS, seconds: SECONDS });
      expect(hasHeld(result) ? "held" : toText(result)).toBe("held");
      const { counts, blows, faultSeconds } = result;
      expect(counts.started).toBe(RUNS);
      const kinds = new Set(blows.map(({ kind }) => kind)).size;
      const ends = Object.entries(counts.byStatus).map(([status, count]) => `${count} ${status}`);
      recordFigures(
        "F32",
        name,
        `${RUNS} starts (${ends.join(", ")}), ${blows.length} faults of ${kinds} kinds in ${Math.round(faultSeconds)} s, seed ${SEED}: 0 violations`,
      );
    },
    SECONDS * 1000 + GRACE_MS,
  );
});
