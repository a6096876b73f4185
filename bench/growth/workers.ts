import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { JsonValue } from "../../src/core/json.js";
import { measureThroughput } from "../measure.js";
import { median } from "../statistics.js";
import type { WorkerChild } from "../worker-child.js";
import { stepsOf } from "../workloads.js";
import { type GrowthStage, withInstallation } from "./installation.js";

/** The same load with one, two and four worker processes. */
export interface WorkerFigures {
  /** Ten no-op steps in a row, runs/s: bound by the machine's processors. */
  readonly chainRunsPerSecond: Readonly<Record<string, number>>;
  /** Steps that wait a tenth of a second for an answer, steps/s: bound by the workers' slots. */
  readonly slowStepsPerSecond: Readonly<Record<string, number>>;
  /** Share of what the slots allow. */
  readonly slowStepsOfIdeal: Readonly<Record<string, number>>;
}

const COUNTS = [1, 2, 4];
/** Steps that each process runs at once. */
const SLOTS = 8;
const SLOW_MS = 100;

/** Adds workers round by round. */
export async function measureWorkers(stage: GrowthStage): Promise<WorkerFigures> {
  const { signal, isQuick } = stage;
  const load = { warmUpMs: 500, windowMs: isQuick ? 2000 : 5000, signal };
  const slow = await startSlowServer();
  try {
    return await withInstallation(stage, "workers", async ({ driver, startWorker }) => {
      const chain = await driver.publish(stepsOf({ kind: "chain", length: 10 }).map(toNoop));
      const waiting = await driver.publish([
        { id: "ask", uses: "builtin:http", inputs: { url: { input: "/url" } } },
      ]);
      const run = (workflow: string) => async () =>
        await driver.untilEnded(await driver.start(workflow, { url: slow.url }));
      const found = COUNTS.map(() => ({ chain: [] as number[], slow: [] as number[] }));
      const settings = { WORKER_CONCURRENCY: String(SLOTS), ALLOWED_HOSTS_PRIVATE: slow.host };
      for (let round = 0; round < (isQuick ? 1 : 3); round += 1) {
        const workers: WorkerChild[] = [];
        for (const [place, count] of COUNTS.entries()) {
          while (workers.length < count) workers.push(await startWorker(settings));
          const inFlight = 2 * SLOTS * count;
          found[place]?.chain.push(
            (await measureThroughput(run(chain), { ...load, inFlight: 32 })).runsPerSecond,
          );
          found[place]?.slow.push(
            (await measureThroughput(run(waiting), { ...load, inFlight })).runsPerSecond,
          );
          stage.progress(
            `${count} workers: ${found[place]?.chain.at(-1)?.toFixed(0)} chains/s, ${found[place]?.slow.at(-1)?.toFixed(0)} slow steps/s`,
          );
        }
        await Promise.all(workers.map(async (worker) => await worker.stop()));
      }
      return toFigures(found);
    });
  } finally {
    slow.server.close();
  }
}

function toNoop({
  id,
  dependsOn,
}: {
  readonly id: string;
  readonly dependsOn: readonly string[];
}): JsonValue {
  return { id, dependsOn: [...dependsOn], uses: "builtin:noop" };
}

function toFigures(found: readonly { chain: number[]; slow: number[] }[]): WorkerFigures {
  const byCount = (of: (place: number, count: number) => number) =>
    Object.fromEntries(COUNTS.map((count, place) => [count, of(place, count)]));
  const slowRate = (place: number): number => median(found[place]?.slow ?? []);
  return {
    chainRunsPerSecond: byCount((place) => median(found[place]?.chain ?? [])),
    slowStepsPerSecond: byCount(slowRate),
    slowStepsOfIdeal: byCount((place, count) => slowRate(place) / ((count * SLOTS * 1000) / SLOW_MS)),
  };
}

async function startSlowServer(): Promise<{ server: Server; url: string; host: string }> {
  const server = createServer((_request, response) => {
    setTimeout(() => response.setHeader("content-type", "application/json").end("{}"), SLOW_MS);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { server, host, url: `http://${host}/` };
}
