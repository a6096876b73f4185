import { parseArgs } from "node:util";
import { simulate } from "./simulate.js";
import { describeViolation } from "./violation.js";

const HELP = `npm run simulate -- [--seeds 10000] [--from 1]   simulations, one after another, until one fails
npm run simulate -- --seed N [--trace]           one simulation, with all that happens in it`;

/** Runs simulations as the command line says. @returns whether every invariant held. */
export function main(args: readonly string[]): boolean {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: "string", default: "10000" },
      from: { type: "string", default: "1" },
      seed: { type: "string" },
      trace: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return true;
  }
  const from = Number(values.seed ?? values.from);
  const count = values.seed === undefined ? Number(values.seeds) : 1;
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(count)) {
    console.error(HELP);
    return false;
  }
  return runSeeds(from, count, values.trace);
}

function runSeeds(from: number, count: number, isTraced: boolean): boolean {
  const startedAt = performance.now();
  let [ticks, runs] = [0, 0];
  for (let seed = from; seed < from + count; seed += 1) {
    const result = simulate({ seed, ...(isTraced ? { log: (line: string) => console.log(line) } : {}) });
    ticks += result.ticks;
    runs += result.runs;
    const { violation } = result;
    if (!violation) continue;
    console.error(describeViolation(seed, violation));
    return false;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(`${count} seeds held: ${runs} runs, ${ticks} ticks, ${seconds.toFixed(1)} s`);
  return true;
}
