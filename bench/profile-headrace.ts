import { Session } from "node:inspector/promises";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { BenchPostgres } from "./bench-postgres.js";
import type { BenchSettings } from "./bench-settings.js";
import type { Contender } from "./contender.js";
import {
  type CpuProfile,
  heaviestFunctions,
  heaviestPackages,
  parseCpuProfile,
  readCpuProfile,
  type SelfTime,
} from "./cpu-profile.js";
import { measureThroughput, type Throughput } from "./measure.js";
import { cpuPerRun, readCpuByPart } from "./process-cpu.js";
import type { BenchRedis } from "./redis-server.js";
import { presentCpu } from "./report.js";
import type { Progress } from "./rounds.js";
import { table } from "./table.js";
import { openStatementCounter, type StatementTime } from "./statement-counter.js";

/** The processes whose CPU is looked at. */
export interface ProfiledProcesses {
  readonly redis: BenchRedis;
  readonly postgres: BenchPostgres;
}

/** Opens Headrace, with arguments for its worker's Node. */
export type OpenHeadrace = (nodeArguments: readonly string[]) => Promise<Contender>;

const HEAVIEST = 15;

/** Where Headrace's time goes, workload by workload. A worker of its own is started for each: a profile is one process's life. */
export async function profileHeadrace(options: {
  open: OpenHeadrace;
  openRaw: () => Promise<Contender>;
  processes: ProfiledProcesses;
  settings: BenchSettings;
  folder: string;
  signal: AbortSignal;
  progress: Progress;
}): Promise<string> {
  const { settings } = options;
  const parts = await rawCosts(options);
  for (const workload of settings.workloads) {
    options.progress(`profiling ${workload.id}`);
    const folder = join(options.folder, `profile-${workload.id}`);
    mkdirSync(folder);
    const headrace = await options.open(["--cpu-prof", `--cpu-prof-dir=${folder}`]);
    const run = () => headrace.run(workload.shape);
    const load = { inFlight: settings.inFlight, warmUpMs: settings.warmUpMs, windowMs: settings.windowMs };
    try {
      await measureThroughput(run, { ...load, signal: options.signal });
      const cpu = await measureCpu(headrace, options.processes, () =>
        measureThroughput(run, { ...load, warmUpMs: 0, signal: options.signal }),
      );
      const driver = await profileThisProcess(async () => {
        await measureThroughput(run, { ...load, signal: options.signal });
      });
      const statements = await heaviestStatements(options.processes.postgres, async () => {
        await measureThroughput(run, { ...load, warmUpMs: 0, signal: options.signal });
      });
      await headrace.close();
      parts.push(`\n=== ${workload.id} ${workload.title}, ${settings.inFlight} in flight`, cpu);
      parts.push(...presentProfile("worker", readCpuProfile(folder)), ...presentProfile("driver", driver));
      parts.push(...presentStatements(statements));
    } catch (error) {
      await headrace.close();
      throw error;
    }
  }
  return parts.join("\n");
}

/** The raw queue's own CPU, to compare with. */
async function rawCosts(options: {
  openRaw: () => Promise<Contender>;
  processes: ProfiledProcesses;
  settings: BenchSettings;
  signal: AbortSignal;
}): Promise<string[]> {
  const { inFlight, warmUpMs, windowMs, workloads } = options.settings;
  const raw = await options.openRaw();
  const lines: string[] = [];
  try {
    for (const workload of workloads) {
      const run = () => raw.run(workload.shape);
      const load = { inFlight, warmUpMs, windowMs, signal: options.signal };
      await measureThroughput(run, load);
      const line = await measureCpu(raw, options.processes, () => measureThroughput(run, load));
      lines.push(`raw ${workload.id}: ${line}`);
    }
  } finally {
    await raw.close();
  }
  return lines;
}

async function measureCpu(
  contender: Contender,
  { redis, postgres }: ProfiledProcesses,
  work: () => Promise<Throughput>,
): Promise<string> {
  const servers = { redis: redis.pid, postgres: postgres.pid };
  const before = readCpuByPart(contender.workerPid, servers);
  const { allRuns, runsPerSecond } = await work();
  const cpu = cpuPerRun(before, readCpuByPart(contender.workerPid, servers), allRuns);
  return `${runsPerSecond.toFixed(1)} runs/s; CPU ms per run: ${presentCpu(cpu)}`;
}

async function heaviestStatements(
  database: BenchPostgres,
  work: () => Promise<void>,
): Promise<readonly StatementTime[]> {
  const counter = await openStatementCounter(database);
  try {
    return (await counter.count(work)).heaviest;
  } finally {
    await counter.close();
  }
}

async function profileThisProcess(work: () => Promise<void>): Promise<CpuProfile> {
  const session = new Session();
  session.connect();
  try {
    await session.post("Profiler.enable");
    await session.post("Profiler.start");
    await work();
    const { profile } = await session.post("Profiler.stop");
    return parseCpuProfile(profile);
  } finally {
    session.disconnect();
  }
}

function presentProfile(name: string, profile: CpuProfile): string[] {
  const row = ({ name: label, place, ms, share }: SelfTime): string[] => [
    `  ${label}`,
    place,
    ms.toFixed(0),
    `${(share * 100).toFixed(1)} %`,
  ];
  return [
    "",
    `${name}, self time by function (ms)`,
    ...table(["", "", "", ""], heaviestFunctions(profile, HEAVIEST).map(row)).slice(1),
    `${name}, self time by package (ms)`,
    ...table(["", "", "", ""], heaviestPackages(profile, 10).map(row)).slice(1),
  ];
}

function presentStatements(statements: readonly StatementTime[]): string[] {
  if (statements.length === 0) return [];
  const rows = statements.map(({ text, calls, totalMs }) => [
    text,
    "",
    String(calls),
    totalMs.toFixed(0),
    (totalMs / calls).toFixed(3),
  ]);
  return ["", "PostgreSQL, heaviest statements", ...table(["", "", "calls", "ms", "ms each"], rows)];
}
