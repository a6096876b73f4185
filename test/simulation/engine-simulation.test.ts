import { describe, expect, it } from "@jest/globals";
import { type Mutant, MUTANTS } from "./mutants.js";
import { simulate } from "./simulate.js";
import { describeViolation } from "./violation.js";

const SEEDS = 10_000;
const MUTANT_SEEDS = 1000;
/** Ten times what a quiet machine takes. */
const LIMIT_MS = 600_000;

/** The first seed, from 1 on, in which an invariant does not hold. */
function findViolation(seeds: number, mutant?: Mutant): string | undefined {
  for (let seed = 1; seed <= seeds; seed += 1) {
    const { violation } = simulate({ seed, ...(mutant ? { mutant } : {}) });
    if (violation) return describeViolation(seed, violation);
  }
  return undefined;
}

function traceOf(seed: number): string {
  const lines: string[] = [];
  simulate({ seed, log: (line) => lines.push(line) });
  return lines.join("\n");
}

describe("the engine, simulated", () => {
  it(
    `keeps every invariant through ${SEEDS} lives`,
    () => {
      expect(findViolation(SEEDS)).toBeUndefined();
    },
    LIMIT_MS,
  );

  it("lives the same life with the same seed", () => {
    const seeds = [7, 8, 9];
    const [first, second] = [seeds.map(traceOf), seeds.map(traceOf)];
    expect(first).toEqual(second);
    expect(new Set(first).size).toBe(seeds.length);
    expect(first.join("\n")).toMatch(/ ← run-1 (claim|hold|call|expand) /);
  });

  it.each(MUTANTS)(`finds out within ${MUTANT_SEEDS} lives when $name`, (mutant) => {
    expect(findViolation(MUTANT_SEEDS, mutant)).toContain("npm run simulate -- --seed");
  });
});
