import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BenchPostgres, startBenchPostgres } from "./bench-postgres.js";
import { type BenchSettings, readBenchSettings, USAGE } from "./bench-settings.js";
import { type Contender, WORKER_CONCURRENCY } from "./contender.js";
import { countCosts, measureLinearity } from "./costs.js";
import { measureGrowth } from "./growth/measure-growth.js";
import { type HeadraceContender, openHeadraceContender } from "./headrace-contender.js";
import { summariseLog } from "./log-summary.js";
import { openPeers } from "./peers/open-peers.js";
import { describeMachine, readLoad } from "./machine.js";
import { profileHeadrace } from "./profile-headrace.js";
import { openRawContender } from "./raw-contender.js";
import { type BenchRedis, startBenchRedis } from "./redis-server.js";
import { type BenchReport, buildReport, hasFailed, presentReport } from "./report.js";
import { measureRounds, type Progress } from "./rounds.js";
import { measureScriptSteps } from "./script-steps.js";

/** What is closed in the mirror order of opening, whatever happens. */
type Closers = (() => Promise<void>)[];

interface Stage {
  readonly folder: string;
  readonly redis: BenchRedis;
  readonly postgres: BenchPostgres;
  readonly settings: BenchSettings;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  readonly closers: Closers;
}

/** Runs the benchmark. @returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const settings = readBenchSettings(args);
  if (!settings) {
    process.stdout.write(USAGE);
    return 0;
  }
  const stop = new AbortController();
  const onSignal = (): void => stop.abort(new Error("stopped"));
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  const progress: Progress = (line) => process.stderr.write(`${line}\n`);
  const closers: Closers = [];
  try {
    const stage = await openStage({ settings, signal: stop.signal, progress, closers });
    if (settings.isProfile) {
      process.stdout.write(`${await profile(stage)}\n`);
      return 0;
    }
    const report = await measure(stage);
    writeReport(report, settings.jsonTo);
    return settings.isCheck && hasFailed(report) ? 1 : 0;
  } finally {
    await closeAll(closers, progress);
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

async function openStage(known: Pick<Stage, "settings" | "signal" | "progress" | "closers">): Promise<Stage> {
  const { settings, signal, progress, closers } = known;
  const folder = mkdtempSync(join(tmpdir(), "headrace-bench-"));
  // as root, PostgreSQL runs as another user, who must be able to reach its cluster
  chmodSync(folder, 0o755);
  closers.push(async () => rmSync(folder, { recursive: true, force: true }));
  progress("starting Redis and PostgreSQL");
  const redis = await startBenchRedis(folder);
  closers.push(redis.stop);
  signal.throwIfAborted();
  const logger = { info: () => undefined, warn: (_fields: object, message: string) => progress(message) };
  const postgres = await startBenchPostgres({ folder, databaseUrl: settings.databaseUrl, logger });
  closers.push(postgres.stop);
  signal.throwIfAborted();
  return { ...known, folder, redis, postgres };
}

function headraceLog(stage: Stage): string {
  return join(stage.folder, "headrace.log");
}

async function openRaw(stage: Stage): Promise<Contender> {
  return await openRawContender({
    redisUrl: stage.redis.url,
    prefix: "raw_bench",
    logFile: join(stage.folder, "raw.log"),
  });
}

async function openHeadrace(stage: Stage, nodeArguments: readonly string[] = []): Promise<HeadraceContender> {
  const dataDir = join(stage.folder, "headrace");
  mkdirSync(dataDir, { recursive: true });
  return await openHeadraceContender({
    redisUrl: stage.redis.url,
    databaseUrl: stage.postgres.url,
    prefix: "headrace_bench",
    isClaimed: stage.settings.isClaimed,
    dataDir,
    logFile: headraceLog(stage),
    nodeArguments,
  });
}

async function profile(stage: Stage): Promise<string> {
  return await profileHeadrace({
    open: (nodeArguments) => openHeadrace(stage, nodeArguments),
    openRaw: () => openRaw(stage),
    processes: stage,
    settings: stage.settings,
    folder: stage.folder,
    signal: stage.signal,
    progress: stage.progress,
  });
}

async function measure(stage: Stage): Promise<BenchReport> {
  const { settings } = stage;
  const startedAt = new Date();
  const loadBefore = readLoad();
  const comparesAny = settings.workloads.length > 0 || settings.measuresScripts;
  const compared = comparesAny ? await compare(stage) : { workloads: {}, statements: {} };
  const growth =
    settings.growth.length > 0
      ? await measureGrowth(settings.growth, { ...stage, isQuick: settings.isQuick })
      : undefined;
  return buildReport({
    startedAt: startedAt.toISOString(),
    durationSeconds: (Date.now() - startedAt.getTime()) / 1000,
    mode: settings.isQuick ? "quick" : "full",
    rounds: settings.rounds,
    inFlight: settings.inFlight,
    workerConcurrency: WORKER_CONCURRENCY,
    machine: describeMachine({
      redis: stage.redis.version,
      postgres: stage.postgres.version,
      loadBefore,
      loadAfter: readLoad(),
    }),
    ...compared,
    growth,
    warnings: summariseLog(headraceLog(stage)),
  });
}

/** Headrace beside the raw queue, in the same rounds. */
async function compare(
  stage: Stage,
): Promise<
  Pick<BenchReport, "workloads" | "statements"> & Partial<Pick<BenchReport, "scripts" | "linearity">>
> {
  const { settings, signal, progress, closers } = stage;
  const raw = await openRaw(stage);
  closers.push(raw.close);
  const headrace = await openHeadrace(stage);
  closers.push(headrace.close);
  const servers = { redis: stage.redis.pid, postgres: stage.postgres.pid };
  const peersFolder = settings.peersFolder ?? join(stage.folder, "peers");
  const peers = await openPeers(settings.peers, { ...stage, isQuick: settings.isQuick, peersFolder });
  const workloads = await measureRounds([raw, headrace, ...peers], settings, { signal, progress, servers });
  const { runScripts } = headrace;
  const scripts = settings.measuresScripts
    ? await measureScriptSteps({ runScripts, rounds: settings.rounds, signal, progress })
    : undefined;
  const statements = await countCosts(headrace, stage.postgres, settings, { signal, progress });
  const measuresFanOut = settings.workloads.some((workload) => workload.id === "W3");
  if (measuresFanOut) progress("timing wide fan-outs");
  const fanOutRounds = settings.isQuick ? 1 : 4;
  const linearity = measuresFanOut
    ? {
        raw: await measureLinearity(raw, signal, fanOutRounds),
        headrace: await measureLinearity(headrace, signal, fanOutRounds),
      }
    : undefined;
  return { workloads, scripts, statements, linearity };
}

function writeReport(report: BenchReport, jsonTo: string | undefined): void {
  const json = `${JSON.stringify(report, null, 2)}\n`;
  const text = presentReport(report);
  if (jsonTo === "-") {
    process.stderr.write(text);
    process.stdout.write(json);
    return;
  }
  process.stdout.write(text);
  if (jsonTo !== undefined) writeFileSync(jsonTo, json);
}

async function closeAll(closers: Closers, progress: Progress): Promise<void> {
  for (const close of [...closers].reverse()) {
    try {
      await close();
    } catch (error) {
      progress(`closing: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  if (error instanceof Error && error.cause instanceof Error)
    process.stderr.write(`  ${error.cause.message}\n`);
  process.exitCode = 1;
}
