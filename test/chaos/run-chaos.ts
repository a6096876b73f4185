import { setTimeout as sleep } from "node:timers/promises";
import { Random } from "../simulation/random.js";
import { type Blow, type BlowKind, ChaosBlows } from "./chaos-blows.js";
import { ChaosClient } from "./chaos-client.js";
import { type ChaosInstallation, makeChaosFolder, openChaosInstallation } from "./chaos-installation.js";
import { ChaosLoad } from "./chaos-load.js";
import type { Backend } from "./chaos-options.js";
import { readChaosRows } from "./chaos-rows.js";
import { type ChaosVerdict, judgeChaos } from "./chaos-verdict.js";
import { startChaosWitness } from "./chaos-witness.js";
import { drawChaosWorkflows } from "./chaos-workflows.js";
import { measureRecovery, type Recovery } from "./measure-recovery.js";

/** One backend's part of the suite. */
export interface ChaosResult {
  readonly backend: Backend;
  readonly seed: number;
  readonly verdict: ChaosVerdict;
  readonly counts: {
    readonly started: number;
    /** With those that were called, and reruns. */
    readonly runs: number;
    readonly byStatus: Readonly<Record<string, number>>;
    readonly steps: number;
    readonly executions: number;
    readonly events: number;
    readonly followers: number;
    readonly reconnects: number;
    readonly repeatedRequests: number;
    readonly canceled: number;
    readonly reruns: number;
  };
  readonly blows: readonly Blow[];
  readonly recovery: readonly Recovery[];
  /** Processes that ended without being struck: a supervisor starts them again. */
  readonly gaveUp: readonly string[];
  readonly faultSeconds: number;
  readonly seconds: number;
}

/** Without faults, no run may take longer to end than this. */
const CALM_LIMIT_MS = 150_000;
const ANSWER_LIMIT_MS = 240_000;

/** Runs the suite on one backend. Everything it starts is ended, whatever happens. */
export async function runChaos(
  backend: Backend,
  options: {
    readonly seed: number;
    readonly runs: number;
    readonly seconds: number;
    /** What is done to it. Default: everything. */
    readonly kinds?: readonly BlowKind[];
  },
): Promise<ChaosResult> {
  const startedAt = Date.now();
  const draw = (part: number) => new Random(options.seed * 10 + part);
  const folder = makeChaosFolder();
  const witness = await startChaosWitness(folder.path, draw(1));
  const installation = await openChaosInstallation(backend, witness.port, folder.path);
  // stopped processes would stay for ever
  const onInterrupt = () => void installation.close().finally(() => process.exit(130));
  process.once("SIGINT", onInterrupt).once("SIGTERM", onInterrupt);
  try {
    const client = new ChaosClient(() => installation.address, ANSWER_LIMIT_MS);
    const workflows = drawChaosWorkflows(draw(2), witness);
    const load = new ChaosLoad({ installation, client, random: draw(3), workflows });
    await load.prepare();
    const blows = new ChaosBlows(installation, client, draw(4), options.kinds);
    const faultsAt = Date.now();
    const striking = blows.run();
    const limit = setTimeout(() => blows.stop(), options.seconds * 1000);
    await load.run(options.runs);
    clearTimeout(limit);
    blows.stop();
    await striking;
    const faultSeconds = (Date.now() - faultsAt) / 1000;
    await untilAllEnded(installation);
    await load.end();
    await endFollowers(load);
    const rows = await readChaosRows(installation);
    const sightings = witness.sightings();
    const evidence = { rows, load, followers: load.followers, sightings, blows: blows.dealt };
    return {
      backend,
      seed: options.seed,
      verdict: judgeChaos(evidence),
      counts: {
        started: load.started.length,
        runs: rows.runs.length,
        byStatus: countBy(rows.runs.map(({ status }) => status)),
        steps: rows.steps.length,
        executions: sightings.length,
        events: rows.events.length,
        followers: load.followers.length,
        reconnects: load.followers.reduce((sum, { connections }) => sum + connections - 1, 0),
        repeatedRequests: client.repeated,
        canceled: load.started.filter(({ isCanceled }) => isCanceled).length,
        reruns: load.reruns.length,
      },
      blows: blows.dealt,
      recovery: measureRecovery(blows.dealt, rows),
      gaveUp: [installation.api, installation.scheduler, ...installation.workers].flatMap(
        ({ gaveUp }) => gaveUp,
      ),
      faultSeconds,
      seconds: (Date.now() - startedAt) / 1000,
    };
  } finally {
    process.off("SIGINT", onInterrupt).off("SIGTERM", onInterrupt);
    await installation.close();
    await witness.close();
    folder.remove();
  }
}

/** Resolves when every run has ended, or when none has for too long. */
async function untilAllEnded({ query }: ChaosInstallation): Promise<void> {
  let deadline = Date.now() + CALM_LIMIT_MS;
  let fewest = Number.POSITIVE_INFINITY;
  while (Date.now() < deadline) {
    const [row] = await query<{ open: number }>(
      "SELECT count(*)::int AS open FROM workflow_runs WHERE finished_at IS NULL",
    );
    const open = row?.open ?? 0;
    if (open === 0) return;
    if (open < fewest) deadline = Date.now() + CALM_LIMIT_MS;
    fewest = Math.min(fewest, open);
    await sleep(500);
  }
}

async function endFollowers({ followers }: ChaosLoad): Promise<void> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await sleep(100))
    if (followers.every(({ isDone }) => isDone)) return;
  for (const follower of followers) follower.stop();
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
