import { parseArgs } from "node:util";

/** Where queues and live events are kept. */
export type ChaosBackend = "redis" | "postgres";

/** How a chaos run is done. */
export interface ChaosSettings {
  readonly runs: number;
  /** The same seed gives the same workflows, runs and faults; only the machine's timing differs. */
  readonly seed: number;
  readonly backends: readonly ChaosBackend[];
  /** Over how many minutes the runs are started, and faults happen. */
  readonly minutes: number;
  readonly workers: number;
  /** Where the results go: a Markdown file with places for them; undefined: nowhere. */
  readonly reportFile: string | undefined;
  /** Logs and witness file are kept, also when all is well. */
  readonly isKept: boolean;
}

/** How to call the suite. */
export const USAGE = `npm run test:chaos -- [options]

  --runs N           how many runs (2000)
  --seed N           repeats a mix of workflows, runs and faults (default: a new one, which is printed)
  --backend NAME     redis, postgres (queues on PostgreSQL) or both (both)
  --minutes M        over how many minutes runs start and faults happen (6 for 2000 runs)
  --workers N        worker processes (3)
  --quick            200 runs
  --report FILE      where the results are written (docs/chaos.md; with --quick nowhere)
  --keep             keep logs and witness file
  --help
`;

const FULL_RUNS = 2000;
const QUICK_RUNS = 200;
const MINUTES_PER_RUN = 6 / FULL_RUNS;
const LARGEST_SEED = 2 ** 32 - 1;

/**
 * Reads the command line.
 * @returns undefined when only help is asked for.
 * @throws Error that names what is wrong.
 */
export function readChaosSettings(args: readonly string[]): ChaosSettings | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      runs: { type: "string" },
      seed: { type: "string" },
      backend: { type: "string", default: "both" },
      minutes: { type: "string" },
      workers: { type: "string" },
      quick: { type: "boolean", default: false },
      report: { type: "string" },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const runs = readNumber("runs", values.runs, values.quick ? QUICK_RUNS : FULL_RUNS, 20, 100_000);
  return {
    runs,
    seed: readNumber("seed", values.seed, Date.now() % 1_000_000, 0, LARGEST_SEED),
    backends: readBackends(values.backend),
    minutes:
      values.minutes === undefined
        ? Math.max(1, runs * MINUTES_PER_RUN)
        : readNumber("minutes", values.minutes, 0, 0.5, 1000),
    workers: readNumber("workers", values.workers, 3, 2, 20),
    reportFile: values.report ?? (values.quick ? undefined : "docs/chaos.md"),
    isKept: values.keep,
  };
}

function readNumber(
  name: string,
  given: string | undefined,
  usual: number,
  low: number,
  high: number,
): number {
  if (given === undefined) return usual;
  const number = Number(given);
  const isWhole = name === "minutes" || Number.isInteger(number);
  if (given.trim() === "" || !isWhole || !(number >= low && number <= high))
    throw new Error(`--${name} must be ${low} to ${high}, not "${given}"`);
  return number;
}

function readBackends(name: string): ChaosBackend[] {
  if (name === "both") return ["redis", "postgres"];
  if (name === "redis" || name === "postgres") return [name];
  throw new Error(`--backend knows redis, postgres and both, not "${name}"`);
}
