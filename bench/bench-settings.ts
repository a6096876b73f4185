import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { GROWTH_TOPICS, type GrowthTopic } from "./growth/growth-topics.js";
import { PEERS, type PeerName } from "./peers/peer-names.js";
import { WORKLOADS, type Workload } from "./workloads.js";

/** How a benchmark is run. */
export interface BenchSettings {
  /** Rounds of A B, each workload in each. */
  readonly rounds: number;
  readonly isQuick: boolean;
  readonly workloads: readonly Workload[];
  /** Whether W4, the script steps, is measured. */
  readonly measuresScripts: boolean;
  /** What is measured of growth and cost: none unless asked for. */
  readonly growth: readonly GrowthTopic[];
  /** Other systems that are measured beside Headrace: none unless asked for. */
  readonly peers: readonly PeerName[];
  /** Where peers are installed and kept; undefined: in the benchmark's own folder, for this run. */
  readonly peersFolder: string | undefined;
  /** Runs in flight while throughput is measured. */
  readonly inFlight: number;
  readonly warmUpMs: number;
  readonly windowMs: number;
  /** Where the figures go as JSON; `-` is stdout. */
  readonly jsonTo: string | undefined;
  /** Whether Headrace's no-op steps are claimed and run one by one, as steps with effects are (ADR 34). */
  readonly isClaimed: boolean;
  /** Where the time goes, instead of the comparison. */
  readonly isProfile: boolean;
  /** Below a floor by more than the slack is a failure. */
  readonly isCheck: boolean;
  /** A PostgreSQL server to use instead of an own one; a database of the benchmark's own is made on it. */
  readonly databaseUrl: string | undefined;
}

/** How to call the benchmark. */
export const USAGE = `npm run bench -- [options]

  --quick            3 short rounds instead of 5 full ones
  --rounds N         another number of rounds
  --only W1,W4       some of the workloads, or growth, or some of its topics:
                     ${GROWTH_TOPICS.join(", ")}
  --peers [dbos,n8n] other systems beside W1 to W3, installed from npm for the run (minutes, gigabytes):
                     ${PEERS.join(", ")}; not with --quick
  --peers-folder DIR where they are installed, and found by the next run
  --claimed          W1 to W3 of steps that are claimed and run one by one, as all that have effects are
  --json [FILE]      the figures as JSON, to a file, or to stdout (then the text goes to stderr)
  --check            exit code 1 when a figure misses its floor by more than 20 %
  --profile headrace where Headrace's time goes: CPU by process, heaviest functions and statements
  --help

BENCH_DATABASE_URL names a PostgreSQL server to use instead of an own one.
`;

/**
 * Reads the command line and the environment.
 * @returns undefined when only help is asked for.
 * @throws Error that names what is wrong.
 */
export function readBenchSettings(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>> = process.env,
): BenchSettings | undefined {
  const { values } = parseArgs({
    args: withDefault(withDefault(args, "--json", "-"), "--peers", PEERS.join(",")),
    options: {
      quick: { type: "boolean", default: false },
      rounds: { type: "string" },
      only: { type: "string" },
      json: { type: "string" },
      claimed: { type: "boolean", default: false },
      check: { type: "boolean", default: false },
      profile: { type: "string" },
      peers: { type: "string" },
      "peers-folder": { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  if (values.profile !== undefined && values.profile !== "headrace") {
    throw new Error(`--profile knows only "headrace", not "${values.profile}"`);
  }
  const isQuick = values.quick;
  if (isQuick && values.peers !== undefined) throw new Error("--peers takes too long for --quick");
  return {
    rounds: values.rounds === undefined ? (isQuick ? 3 : 5) : readRounds(values.rounds),
    isQuick,
    ...readOnly(values.only),
    peers: readPeers(values.peers),
    peersFolder: values["peers-folder"] === undefined ? undefined : resolve(values["peers-folder"]),
    inFlight: 32,
    warmUpMs: isQuick ? 500 : 1000,
    windowMs: isQuick ? 2000 : 5000,
    jsonTo: values.json,
    isProfile: values.profile !== undefined,
    isClaimed: values.claimed,
    isCheck: values.check,
    databaseUrl: environment["BENCH_DATABASE_URL"] || undefined,
  };
}

/** What a raw worker process is told by its environment. @throws Error when it was started by hand. */
export function readWorkerSettings(environment: Readonly<Record<string, string | undefined>> = process.env): {
  readonly redisUrl: string;
  readonly prefix: string;
} {
  const redisUrl = environment["BENCH_REDIS_URL"];
  const prefix = environment["BENCH_PREFIX"];
  if (!redisUrl || !prefix) throw new Error("BENCH_REDIS_URL and BENCH_PREFIX are set by npm run bench");
  return { redisUrl, prefix };
}

/** The environment of a worker process: all of it was set by us, and no `.env` file may add to it. */
export function readOwnEnvironment(): Readonly<Record<string, string | undefined>> {
  return process.env;
}

/** What a worker process needs of our environment; everything else is said to it on purpose. */
export function readBareEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string> {
  return { PATH: environment["PATH"] ?? "/usr/bin:/bin", HOME: environment["HOME"] ?? "/" };
}

/** `--json` and `--peers` may stand without a value, which `parseArgs` cannot say. */
function withDefault(args: readonly string[], name: string, value: string): string[] {
  return args.map((argument, index) => {
    if (argument !== name) return argument;
    const next = args[index + 1];
    return next === undefined || next.startsWith("--") ? `${name}=${value}` : argument;
  });
}

function readPeers(text: string | undefined): PeerName[] {
  if (text === undefined) return [];
  return splitNames(text).map((name) => {
    const peer = PEERS.find((known) => known === name.toLowerCase());
    if (peer === undefined) throw new Error(`--peers knows ${PEERS.join(", ")}, not "${name}"`);
    return peer;
  });
}

function splitNames(text: string): string[] {
  return text.split(",").map((name) => name.trim());
}

function readRounds(text: string): number {
  const rounds = Number(text);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) throw new Error("--rounds must be 1 to 100");
  return rounds;
}

function readOnly(text: string | undefined): Pick<BenchSettings, "workloads" | "measuresScripts" | "growth"> {
  if (text === undefined) return { workloads: WORKLOADS, measuresScripts: true, growth: [] };
  const names = splitNames(text);
  const workloads = names.flatMap((name) => WORKLOADS.filter(({ id }) => id === name.toUpperCase()));
  const hasScripts = names.some((name) => name.toUpperCase() === "W4");
  const growth = GROWTH_TOPICS.filter((topic) => names.includes("growth") || names.includes(topic));
  const known = [...WORKLOADS.map(({ id }) => id), "W4", "growth", ...GROWTH_TOPICS].map((name) =>
    name.toLowerCase(),
  );
  const unknown = names.find((name) => !known.includes(name.toLowerCase()));
  if (unknown !== undefined) {
    throw new Error(`--only knows W1, W2, W3, W4, growth, ${GROWTH_TOPICS.join(", ")}, not "${unknown}"`);
  }
  return { workloads, measuresScripts: hasScripts, growth };
}
