import type { BenchPostgres } from "./bench-postgres.js";
import type { BenchSettings } from "./bench-settings.js";
import type { Contender } from "./contender.js";
import { measureLatency } from "./measure.js";
import type { Progress } from "./rounds.js";
import { openStatementCounter, type StatementCounter } from "./statement-counter.js";
import { median } from "./statistics.js";
import { stepsOf, type Workload } from "./workloads.js";

/** What one run asks of PostgreSQL. */
export interface StatementCosts {
  readonly steps: number;
  /** One run at a time. */
  readonly alone: PerRun;
  /** With the throughput test's number of runs in flight: group commit shares statements between them. */
  readonly inFlight: PerRun;
}

/** Means over some runs. `statements` is undefined where the server does not count them. */
export interface PerRun {
  readonly statements: number | undefined;
  readonly commits: number;
}

/** How cost grows with the width of one fan-out. */
export interface Linearity {
  readonly narrowMs: number;
  readonly wideMs: number;
  /** time(1000 branches) / time(100 branches), medians of single runs. */
  readonly ratio: number;
}

/** Ten times the work may cost at most this many times the time. */
export const LINEARITY_LIMIT = 12;

/** Most statements that a run may cost. */
export const STATEMENT_LIMITS = {
  /** One run at a time: 2, and 2 for each step. */
  alone: (steps: number): number => 2 + 2 * steps,
  /** In flight together: half a statement for each step. */
  inFlight: (steps: number): number => steps / 2,
} as const;

const ALONE_RUNS = { W1: 60, W2: 12, W3: 4 };
const IN_FLIGHT_RUNS = { W1: 640, W2: 128, W3: 64 };

/** Counts the statements and commits per run of each workload. */
export async function countCosts(
  headrace: Contender,
  database: BenchPostgres,
  settings: BenchSettings,
  options: { signal: AbortSignal; progress: Progress },
): Promise<Record<string, StatementCosts>> {
  const costs: Record<string, StatementCosts> = {};
  const counter = await openStatementCounter(database);
  const { signal } = options;
  try {
    for (const workload of settings.workloads) {
      options.progress(`counting statements of ${workload.id}`);
      const run = () => headrace.run(workload.shape);
      const alone = ALONE_RUNS[workload.id];
      const together = IN_FLIGHT_RUNS[workload.id];
      costs[workload.id] = {
        steps: stepsOf(workload.shape).length,
        alone: await perRun(counter, alone, () => runAll(run, { count: alone, inFlight: 1, signal })),
        inFlight: await perRun(counter, together, () =>
          runAll(run, { count: together, inFlight: settings.inFlight, signal }),
        ),
      };
    }
  } finally {
    await counter.close();
  }
  return costs;
}

async function perRun(counter: StatementCounter, runs: number, work: () => Promise<void>): Promise<PerRun> {
  const { statements, commits } = await counter.count(work);
  return { statements: statements === undefined ? undefined : statements / runs, commits: commits / runs };
}

/** Does a number of runs with some in flight. */
async function runAll(
  run: () => Promise<void>,
  options: { count: number; inFlight: number; signal: AbortSignal },
): Promise<void> {
  let left = options.count;
  async function lane(): Promise<void> {
    while (left > 0) {
      options.signal.throwIfAborted();
      left -= 1;
      await run();
    }
  }
  await Promise.all(Array.from({ length: options.inFlight }, lane));
}

/** Times single runs of a fan-out of 100 and of 1000, alternately. */
export async function measureLinearity(
  contender: Contender,
  signal: AbortSignal,
  rounds: number,
): Promise<Linearity> {
  const narrow: number[] = [];
  const wide: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    narrow.push(...(await timeFanOut(contender, 100, signal)));
    wide.push(...(await timeFanOut(contender, 1000, signal)));
  }
  const [narrowMs, wideMs] = [median(narrow), median(wide)];
  return { narrowMs, wideMs, ratio: wideMs / narrowMs };
}

async function timeFanOut(contender: Contender, width: number, signal: AbortSignal): Promise<number[]> {
  const shape: Workload["shape"] = { kind: "fanOut", width };
  return await measureLatency(() => contender.run(shape), { samples: 2, signal });
}
