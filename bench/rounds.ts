import type { BenchSettings } from "./bench-settings.js";
import type { Contender, ContenderName } from "./contender.js";
import { measureLatency, measureThroughput } from "./measure.js";
import { type CpuByPart, cpuPerRun, readCpuByPart, type ServerPids } from "./process-cpu.js";
import { type LatencySummary, median, pairedDifference, pairedRatio, summarise } from "./statistics.js";
import type { PeerRatios, Ratios } from "./targets.js";
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
  /** Headrace through its HTTP API, and other systems: those that were asked for and did not fail. */
  readonly others: Readonly<Partial<Record<ContenderName, Figures>>>;
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
  const field = createField(contenders, options);
  await warmUp(field, settings, options.signal);
  for (let round = 1; round <= settings.rounds; round += 1) {
    for (const workload of settings.workloads) {
      for (const contender of field.standing(workload)) {
        const measured = measureOnce({
          contender,
          workload,
          settings,
          signal: options.signal,
          servers: options.servers,
          into: samplesOf(samples, workload, contender.name),
        });
        await field.excuse(contender, measured);
      }
      const last = (name: ContenderName) =>
        samplesOf(samples, workload, name).runsPerSecond.at(-1)?.toFixed(1);
      const rates = field.standing(workload).map(({ name }) => `${name} ${last(name)}`);
      options.progress(`round ${round}/${settings.rounds} ${workload.id}: ${rates.join(", ")} runs/s`);
    }
  }
  const names = (workload: Workload) => field.standing(workload).map(({ name }) => name);
  return Object.fromEntries(
    settings.workloads.map((workload) => [workload.id, compare(samples, workload, names(workload))]),
  );
}

interface Field {
  /** Who can run a workload, and has not failed. */
  standing(workload: Workload): readonly Contender[];
  /** Waits for work of a contender. One of the others that fails is left out from then on; raw and Headrace must not. */
  excuse(contender: Contender, work: Promise<void>): Promise<void>;
}

function createField(
  contenders: readonly Contender[],
  { signal, progress }: { signal: AbortSignal; progress: Progress },
): Field {
  const failed = new Set<ContenderName>();
  return {
    standing: ({ shape }) =>
      contenders.filter(({ name, lacks = [] }) => !failed.has(name) && !lacks.includes(shape.kind)),
    async excuse({ name }, work) {
      try {
        await work;
      } catch (error) {
        if (signal.aborted || name === "raw" || name === "headrace") throw error;
        failed.add(name);
        progress(`${name} is left out: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
  };
}

/** n8n is reached by HTTP and waited for, so Headrace is too; the others' own doors are as near as ours. */
function comparePeers(headrace: Figures, others: WorkloadResult["others"]): Partial<PeerRatios> {
  const { n8n, restate, dbos, headraceHttp } = others;
  const compareTo = (ours: Figures, theirs: Figures): [number, number] => [
    pairedRatio(ours.runsPerSecondByRound, theirs.runsPerSecondByRound),
    pairedRatio(theirs.p50MsByRound, ours.p50MsByRound),
  ];
  const ratios: Partial<PeerRatios> = {};
  if (n8n && headraceHttp) [ratios.vsN8n, ratios.p50VsN8n] = compareTo(headraceHttp, n8n);
  if (restate) [ratios.vsRestate, ratios.p50VsRestate] = compareTo(headrace, restate);
  if (dbos) [ratios.vsDbos, ratios.p50VsDbos] = compareTo(headrace, dbos);
  return ratios;
}

/** Compiles hot code, opens connections, prepares statements: none of it belongs to a run. */
async function warmUp(field: Field, settings: BenchSettings, signal: AbortSignal): Promise<void> {
  for (const workload of settings.workloads) {
    for (const contender of field.standing(workload)) {
      const run = () => contender.run(workload.shape);
      const load = { inFlight: settings.inFlight, warmUpMs: 0, windowMs: settings.warmUpMs, signal };
      await field.excuse(
        contender,
        run().then(async () => void (await measureThroughput(run, load))),
      );
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

function compare(
  samples: Map<string, Samples>,
  workload: Workload,
  names: readonly ContenderName[],
): WorkloadResult {
  const raw = toFigures(samplesOf(samples, workload, "raw"));
  const headrace = toFigures(samplesOf(samples, workload, "headrace"));
  const p50AddedMs = pairedDifference(headrace.p50MsByRound, raw.p50MsByRound);
  const chained = workload.shape.kind === "chain" ? workload.shape.length : 1;
  const others = Object.fromEntries(
    names
      .filter((name) => name !== "raw" && name !== "headrace")
      .map((name) => [name, toFigures(samplesOf(samples, workload, name))]),
  );
  return {
    raw,
    headrace,
    others,
    ratios: {
      ...comparePeers(headrace, others),
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
