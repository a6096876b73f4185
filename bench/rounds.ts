import type { BenchSettings } from "./bench-settings.js";
import type { Contender, ContenderName } from "./contender.js";
import { measureLatency, measureThroughput } from "./measure.js";
import { type CpuByPart, cpuPerRun, readCpuByPart, type ServerPids } from "./process-cpu.js";
import { type LatencySummary, median, pairedDifference, pairedRatio, summarise } from "./statistics.js";
import type { Ratios } from "./targets.js";
import type { Workload } from "./workloads.js";

/** What was measured of one contender in one workload. */
export interface Figures {
  /** Median over the rounds. */
  readonly runsPerSecond: number;
  readonly runsPerSecondByRound: readonly number[];
  /** Milliseconds, of all samples of all rounds. */
  readonly latencyMs: LatencySummary;
  readonly p50MsByRound: readonly number[];
  /** Milliseconds of CPU per run under load, median over the rounds: a busy machine distorts it least. */
  readonly cpuMsPerRun: CpuByPart;
}

/** What was measured in one workload, and how the two compare. */
export interface WorkloadResult {
  readonly raw: Figures;
  readonly headrace: Figures;
  readonly ratios: Ratios;
}

interface Samples {
  readonly runsPerSecond: number[];
  readonly latenciesMs: number[][];
  readonly cpuMsPerRun: CpuByPart[];
}

/** Says how far the benchmark has come. */
export type Progress = (line: string) => void;

/**
 * Measures both contenders alternately (A B A B …), so that whatever else the machine does hits both alike.
 * @throws Error when a run is lost or fails; the abort reason when stopped.
 */
export async function measureRounds(
  contenders: readonly Contender[],
  settings: BenchSettings,
  options: { signal: AbortSignal; progress: Progress; servers: ServerPids },
): Promise<Record<string, WorkloadResult>> {
  const samples = new Map<string, Samples>();
  await warmUp(contenders, settings, options.signal);
  for (let round = 1; round <= settings.rounds; round += 1) {
    for (const workload of settings.workloads) {
      for (const contender of contenders) {
        await measureOnce({
          contender,
          workload,
          settings,
          signal: options.signal,
          servers: options.servers,
          into: samplesOf(samples, workload, contender.name),
        });
      }
      const last = (name: ContenderName) =>
        samplesOf(samples, workload, name).runsPerSecond.at(-1)?.toFixed(1);
      options.progress(
        `round ${round}/${settings.rounds} ${workload.id}: raw ${last("raw")}, headrace ${last("headrace")} runs/s`,
      );
    }
  }
  return Object.fromEntries(settings.workloads.map((workload) => [workload.id, compare(samples, workload)]));
}

/** Compiles hot code, opens connections, prepares statements: none of it belongs to a run. */
async function warmUp(
  contenders: readonly Contender[],
  settings: BenchSettings,
  signal: AbortSignal,
): Promise<void> {
  for (const workload of settings.workloads) {
    for (const contender of contenders) {
      const run = () => contender.run(workload.shape);
      await run();
      await measureThroughput(run, {
        inFlight: settings.inFlight,
        warmUpMs: 0,
        windowMs: settings.warmUpMs,
        signal,
      });
    }
  }
}

async function measureOnce(options: {
  contender: Contender;
  workload: Workload;
  settings: BenchSettings;
  signal: AbortSignal;
  servers: ServerPids;
  into: Samples;
}): Promise<void> {
  const { contender, workload, settings, signal, servers, into } = options;
  const run = () => contender.run(workload.shape);
  const { inFlight, warmUpMs, windowMs } = settings;
  const before = readCpuByPart(contender.workerPid, servers);
  const throughput = await measureThroughput(run, { inFlight, warmUpMs, windowMs, signal });
  into.cpuMsPerRun.push(cpuPerRun(before, readCpuByPart(contender.workerPid, servers), throughput.allRuns));
  const count = settings.isQuick ? workload.latencySamples.quick : workload.latencySamples.full;
  const latenciesMs = await measureLatency(run, { samples: count, signal });
  into.runsPerSecond.push(throughput.runsPerSecond);
  into.latenciesMs.push(latenciesMs);
}

function samplesOf(samples: Map<string, Samples>, workload: Workload, name: ContenderName): Samples {
  const key = `${workload.id} ${name}`;
  const known = samples.get(key) ?? { runsPerSecond: [], latenciesMs: [], cpuMsPerRun: [] };
  samples.set(key, known);
  return known;
}

function compare(samples: Map<string, Samples>, workload: Workload): WorkloadResult {
  const raw = toFigures(samplesOf(samples, workload, "raw"));
  const headrace = toFigures(samplesOf(samples, workload, "headrace"));
  const p50AddedMs = pairedDifference(headrace.p50MsByRound, raw.p50MsByRound);
  const chained = workload.shape.kind === "chain" ? workload.shape.length : 1;
  return {
    raw,
    headrace,
    ratios: {
      vsRaw: pairedRatio(headrace.runsPerSecondByRound, raw.runsPerSecondByRound),
      p50AddedMs,
      p50AddedMsPerStep: p50AddedMs / chained,
    },
  };
}

function toFigures(samples: Samples): Figures {
  return {
    runsPerSecond: median(samples.runsPerSecond),
    runsPerSecondByRound: samples.runsPerSecond,
    latencyMs: summarise(samples.latenciesMs.flat()),
    p50MsByRound: samples.latenciesMs.map((round) => summarise(round).p50),
    cpuMsPerRun: medianByPart(samples.cpuMsPerRun),
  };
}

function medianByPart(rounds: readonly CpuByPart[]): CpuByPart {
  const of = (part: keyof CpuByPart): number => median(rounds.map((round) => round[part]));
  return { driver: of("driver"), worker: of("worker"), redis: of("redis"), postgres: of("postgres") };
}
