import { parseArgs } from "node:util";

/** Where queues and live events are kept. */
export type Backend = "redis" | "postgres";

/** One call of the suite. */
export interface ChaosOptions {
  readonly seed: number;
  /** Runs that are started on each backend; the runs that those call come on top. */
  readonly runs: number;
  /** Faults stop after so many seconds on each backend, at the latest. */
  readonly seconds: number;
  readonly backends: readonly Backend[];
  /** File for the report; undefined: it is only printed. */
  readonly report: string | undefined;
}

/** What `--help` prints. */
export const CHAOS_HELP = `npm run test:chaos -- [options]

Starts an installation of its own (PostgreSQL, Redis, API, scheduler, three workers), starts runs of many kinds through
the API while processes and servers are killed, waits until all have ended, and judges what has become of them.
Exit code 1 when a promise was broken.

  --runs N                          runs on each backend (default 200)
  --seconds N                       faults last so long at most (default 1800)
  --backend redis|postgres|both     default both; redis needs a redis-server on PATH
  --seed N                          the same seed draws the same workflows, runs and faults (default: by the clock)
  --report FILE                     write the report there too, docs/chaos.md for one
  --help`;

/** Reads the command line. @returns undefined when help was asked for. @throws Error for what makes no sense. */
export function parseChaosOptions(args: readonly string[]): ChaosOptions | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: "string" },
      runs: { type: "string", default: "200" },
      seconds: { type: "string", default: "1800" },
      backend: { type: "string", default: "both" },
      report: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  return {
    seed: values.seed === undefined ? Date.now() % 1_000_000 : toNumber("seed", values.seed),
    runs: toNumber("runs", values.runs),
    seconds: toNumber("seconds", values.seconds),
    backends: toBackends(values.backend),
    report: values.report,
  };
}

function toNumber(name: string, text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`--${name} must be a whole number from 1`);
  return number;
}

function toBackends(text: string): Backend[] {
  if (text === "both") return ["postgres", "redis"];
  if (text === "redis" || text === "postgres") return [text];
  throw new Error("--backend must be redis, postgres or both");
}
