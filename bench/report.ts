import { judgeGrowth } from "./growth/growth-targets.js";
import type { GrowthFigures } from "./growth/measure-growth.js";
import { presentGrowth } from "./growth/present-growth.js";
import type { Linearity, PerRun, StatementCosts } from "./costs.js";
import { LINEARITY_LIMIT, STATEMENT_LIMITS } from "./costs.js";
import type { LoggedMessage } from "./log-summary.js";
import type { Machine } from "./machine.js";
import { type CpuByPart, totalCpu } from "./process-cpu.js";
import type { Figures, WorkloadResult } from "./rounds.js";
import { SCRIPT_KINDS, SCRIPT_STEPS, type ScriptFigures } from "./script-steps.js";
import { median } from "./statistics.js";
import { judge, type Ratios, type ScriptRatios, type Verdict } from "./targets.js";
import { rounded, table } from "./table.js";
import { WORKLOADS } from "./workloads.js";

/** Everything that a benchmark found: what `--json` writes. */
export interface BenchReport {
  readonly startedAt: string;
  readonly durationSeconds: number;
  readonly mode: "full" | "quick";
  readonly rounds: number;
  readonly inFlight: number;
  readonly workerConcurrency: number;
  readonly machine: Machine;
  readonly workloads: Readonly<Record<string, WorkloadResult>>;
  /** W4; undefined when it was left out. */
  readonly scripts?: ScriptFigures | undefined;
  /** By workload: `ratios.W1.vsRaw`, `ratios.W1.p50AddedMs`, …, `ratios.W4.vsZygote`. */
  readonly ratios: Readonly<Record<string, Ratios | ScriptRatios>>;
  readonly verdicts: readonly Verdict[];
  readonly statements: Readonly<Record<string, StatementCosts>>;
  /** What Headrace's processes logged as warnings or worse meanwhile. */
  readonly warnings: readonly LoggedMessage[];
  /** What was asked for by `--only growth`. */
  readonly growth?: GrowthFigures | undefined;
  readonly linearity?: { readonly raw: Linearity; readonly headrace: Linearity } | undefined;
}

/** Judges what was measured and puts it together. */
export function buildReport(found: Omit<BenchReport, "ratios" | "verdicts">): BenchReport {
  const ratios: Record<string, Ratios | ScriptRatios> = Object.fromEntries(
    Object.entries(found.workloads).map(([id, result]) => [id, result.ratios]),
  );
  if (found.scripts) ratios["W4"] = found.scripts.ratios;
  return { ...found, ratios, verdicts: [...judge(ratios), ...judgeGrowth(found.growth ?? {})] };
}

/** Whether a figure misses its limit by more than the slack. */
export function hasFailed(report: BenchReport): boolean {
  const isSuperlinear = (report.linearity?.headrace.ratio ?? 0) > LINEARITY_LIMIT;
  return isSuperlinear || report.verdicts.some((verdict) => verdict.isFailure);
}

/** The report for people. */
export function presentReport(report: BenchReport): string {
  const hasWorkloads = Object.keys(report.workloads).length > 0;
  return [
    ...presentMachine(report),
    "",
    ...(hasWorkloads ? [...presentFigures(report), ""] : []),
    ...presentScripts(report.scripts),
    ...presentGrowth(report.growth ?? {}),
    ...(report.verdicts.length > 0 ? [...presentVerdicts(report.verdicts), ""] : []),
    ...(hasWorkloads ? [...presentCpuTable(report), "", ...presentCosts(report), ""] : []),
    ...presentWarnings(report.warnings),
    "",
  ].join("\n");
}

function presentMachine({
  machine,
  startedAt,
  mode,
  rounds,
  inFlight,
  workerConcurrency,
  durationSeconds,
}: BenchReport): string[] {
  return [
    `Headrace against the raw queue, ${startedAt}, ${mode} run: ${rounds} rounds in ${Math.round(durationSeconds)} s`,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}; Node ${machine.node}, ` +
      `Redis ${machine.redis} (append-only file, everysec), PostgreSQL ${machine.postgres}`,
    `load average ${machine.loadBefore} before, ${machine.loadAfter} after`,
    `one driver and one worker process each (${workerConcurrency} steps at once), ${inFlight} runs in flight; ` +
      "latency: one run at a time",
  ];
}

function presentFigures(report: BenchReport): string[] {
  const rows = Object.entries(report.workloads).flatMap(([id, result]) => {
    const title = WORKLOADS.find((workload) => workload.id === id)?.title ?? "";
    return [
      figureRow(`${id} ${title}`, "raw", result.raw, undefined),
      figureRow("", "headrace", result.headrace, result.ratios),
      ...Object.entries(result.others).map(([name, figures]) => figureRow("", name, figures, undefined)),
    ];
  });
  return table(["workload", "", "runs/s", "vs raw", "p50 ms", "p95", "p99", "p50 - raw"], rows);
}

function figureRow(title: string, name: string, figures: Figures, ratios: Ratios | undefined): string[] {
  const { p50, p95, p99 } = figures.latencyMs;
  const added = ratios ? `${signed(ratios.p50AddedMs)}` : "";
  return [
    title,
    name,
    rounded(figures.runsPerSecond),
    ratios ? ratios.vsRaw.toFixed(2) : name === "raw" ? "1" : "",
    ...[p50, p95, p99].map(rounded),
    added,
  ];
}

function presentScripts(scripts: ScriptFigures | undefined): string[] {
  if (!scripts) return [];
  const row = (name: string, ms: readonly number[]): string[] => [
    name,
    ms.map((one) => one.toFixed(0)).join(" "),
    rounded(median(ms)),
    rounded(median(ms) / SCRIPT_STEPS),
  ];
  return [
    ...table(
      [`W4 ${SCRIPT_STEPS} script steps in a row`, "ms by round", "median ms", "ms per step"],
      [row("bare forks", scripts.forksMs), ...SCRIPT_KINDS.map((kind) => row(kind, scripts.runMs[kind]))],
    ),
    "",
  ];
}

function presentVerdicts(verdicts: readonly Verdict[]): string[] {
  const rows = verdicts.map((verdict) => [
    verdict.id,
    verdict.title,
    verdict.value.toFixed(2),
    `${verdict.isFloor ? ">=" : "<="} ${verdict.limit}`,
    `${verdict.isFloor ? ">=" : "<="} ${verdict.goal}`,
    verdict.verdict === "below" ? "below" : verdict.verdict === "goal" ? "ok (goal)" : "ok",
  ]);
  return table(["", "target", "measured", "floor", "goal", ""], rows);
}

function presentCpuTable(report: BenchReport): string[] {
  const rows = Object.entries(report.workloads).map(([id, { raw, headrace }]) => [
    id,
    presentCpu(raw.cpuMsPerRun),
    presentCpu(headrace.cpuMsPerRun),
    (totalCpu(raw.cpuMsPerRun) / totalCpu(headrace.cpuMsPerRun)).toFixed(2),
  ]);
  return table(["CPU ms per run", "raw", "headrace", "raw / headrace"], rows);
}

/** CPU by part, and all together. */
export function presentCpu(cpu: CpuByPart): string {
  const parts = [cpu.driver, cpu.worker, cpu.redis, cpu.postgres].map((part) => part.toFixed(2));
  return `${totalCpu(cpu).toFixed(2)} (driver ${parts[0]}, worker ${parts[1]}, redis ${parts[2]}, postgres ${parts[3]})`;
}

function presentCosts(report: BenchReport): string[] {
  const rows = Object.entries(report.statements).map(([id, { steps, alone, inFlight }]) => [
    id,
    String(steps),
    presentPerRun(alone),
    presentLimit(alone, STATEMENT_LIMITS.alone(steps)),
    presentPerRun(inFlight),
    presentLimit(inFlight, STATEMENT_LIMITS.inFlight(steps)),
  ]);
  const lines = table(
    ["statements (commits) per run", "steps", "alone", "limit", `${report.inFlight} in flight`, "limit"],
    rows,
  );
  if (!report.linearity) return lines;
  const { raw, headrace } = report.linearity;
  const verdict = headrace.ratio <= LINEARITY_LIMIT ? "ok" : "above";
  return [
    ...lines,
    "",
    `time(1000 parallel) / time(100 parallel): headrace ${headrace.ratio.toFixed(1)} ` +
      `(${rounded(headrace.wideMs)} / ${rounded(headrace.narrowMs)} ms), raw ${raw.ratio.toFixed(1)}; ` +
      `limit <= ${LINEARITY_LIMIT}: ${verdict}`,
  ];
}

/** What was logged: warnings under load are findings. */
function presentWarnings(warnings: readonly LoggedMessage[]): string[] {
  if (warnings.length === 0) return ["no warnings logged"];
  return ["warnings logged by headrace:", ...warnings.map(({ message, count }) => `  ${count} x ${message}`)];
}

function presentPerRun({ statements, commits }: PerRun): string {
  return `${statements === undefined ? "?" : statements.toFixed(1)} (${commits.toFixed(1)})`;
}

function presentLimit({ statements }: PerRun, limit: number): string {
  const verdict = statements === undefined ? "not counted" : statements <= limit ? "ok" : "above";
  return `<= ${limit}: ${verdict}`;
}

function signed(value: number): string {
  return `${value >= 0 ? "+" : ""}${value.toFixed(1)}`;
}
