import { firstIdAt } from "../../src/core/ids.js";
import { toCursor } from "../../src/models/repository.js";
import { generateRuns } from "../generate-runs.js";
import type { HeadraceDriver } from "../headrace-driver.js";
import { measureLatency, measureThroughput } from "../measure.js";
import { median, pairedRatio, type LatencySummary, summarise } from "../statistics.js";
import { type GrowthStage, withInstallation } from "./installation.js";

/** T15 and the rate of new runs, with a database full of ended ones. */
export interface HistoryFigures {
  readonly storedRuns: number;
  /** W1 on an empty database and on the full one, runs/s: medians of rounds that alternate. */
  readonly runsPerSecond: { readonly empty: number; readonly full: number };
  readonly fullVsEmpty: number;
  /** Reads of the full database at the service, milliseconds. */
  readonly reads: Readonly<Record<string, LatencySummary>>;
  /** The worst p95 of these. */
  readonly worstReadP95Ms: number;
}

const DAYS = 30;
const DAY_MS = 86_400_000;

/** Measures both databases alternately. */
export async function measureHistory(stage: GrowthStage): Promise<HistoryFigures> {
  const storedRuns = stage.isQuick ? 200_000 : 1_000_000;
  return await withInstallation(stage, "empty", async (empty) =>
    withInstallation(stage, "full", async (full) => {
      stage.progress(`writing ${storedRuns} ended runs`);
      await generateRuns(full.driver.knex, storedRuns, DAYS);
      const reads = await measureReads(stage, full.driver);
      await Promise.all([empty.startWorker(), full.startWorker()]);
      const rates = await measureRates(stage, [empty.driver, full.driver]);
      return {
        storedRuns,
        runsPerSecond: { empty: median(rates[0]), full: median(rates[1]) },
        fullVsEmpty: pairedRatio(rates[1], rates[0]),
        reads,
        worstReadP95Ms: Math.max(...Object.values(reads).map(({ p95 }) => p95)),
      };
    }),
  );
}

async function measureRates(
  { signal, isQuick, progress }: GrowthStage,
  drivers: readonly [HeadraceDriver, HeadraceDriver],
): Promise<[number[], number[]]> {
  const rates: [number[], number[]] = [[], []];
  const load = { inFlight: 32, warmUpMs: 500, windowMs: isQuick ? 2000 : 5000, signal };
  for (const driver of drivers) await measureThroughput(() => driver.run({ kind: "single" }), load);
  for (let round = 1; round <= (isQuick ? 3 : 5); round += 1) {
    for (const place of [0, 1] as const) {
      const run = () => drivers[place].run({ kind: "single" });
      rates[place].push((await measureThroughput(run, load)).runsPerSecond);
    }
    progress(
      `history, round ${round}: ${rates.map((rate) => rate.at(-1)?.toFixed(0)).join(" empty, ")} full`,
    );
  }
  return rates;
}

async function measureReads(
  { signal, isQuick }: GrowthStage,
  { queries, knex }: HeadraceDriver,
): Promise<Record<string, LatencySummary>> {
  const page = { limit: 50 };
  const old = { ...page, cursor: toCursor(firstIdAt(new Date(Date.now() - 0.9 * DAYS * DAY_MS))) };
  const ids: { id: string }[] = await knex("workflow_runs").select("id").orderByRaw("random()").limit(500);
  let place = 0;
  const nextId = (): string => {
    place = (place + 1) % ids.length;
    return ids[place]?.id ?? "";
  };
  const reads: Record<string, () => Promise<unknown>> = {
    "list, first page": async () => await queries.list({}, page),
    "list, nine tenths down": async () => await queries.list({}, old),
    "list, of one workflow": async () => await queries.list({ workflow: "generated-3" }, page),
    "list, failed": async () => await queries.list({ status: "failed" }, page),
    "run, by id": async () => await queries.get(nextId()),
    "steps of a run": async () => await queries.steps(nextId(), page),
  };
  const found: Record<string, LatencySummary> = {};
  for (const [name, read] of Object.entries(reads)) {
    const run = async (): Promise<void> => void (await read());
    found[name] = summarise(await measureLatency(run, { samples: isQuick ? 100 : 400, signal }));
  }
  return found;
}
