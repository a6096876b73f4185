import { measureThroughput } from "../measure.js";
import { type ProcessMemory, readMemory } from "../process-memory.js";
import { median } from "../statistics.js";
import type { WorkerChild } from "../worker-child.js";
import { signIn } from "./api-client.js";
import { type GrowthStage, withInstallation } from "./installation.js";

/** T17, and how long a process takes to be of use. */
export interface ProcessFigures {
  readonly api: ProcessFigure;
  readonly worker: ProcessFigure;
}

/** One process. */
export interface ProcessFigure {
  /** From its start until it says that it is ready, milliseconds: the median of some starts. */
  readonly startMs: number;
  readonly idle: ProcessMemory;
  /** The most that it had while it was kept busy. */
  readonly busy: ProcessMemory;
}

const SETTLE_MS = 4000;
const SAMPLE_MS = 250;

/** Starts both some times, and keeps the last of each busy. */
export async function measureProcesses(stage: GrowthStage): Promise<ProcessFigures> {
  const { signal, isQuick } = stage;
  const load = { inFlight: 32, warmUpMs: 500, windowMs: isQuick ? 5000 : 20_000, signal };
  return await withInstallation(stage, "processes", async ({ driver, startApi, startWorker }) => {
    const workers = await startSome(() => startWorker(), isQuick ? 2 : 4);
    const apis = await startSome(startApi, isQuick ? 2 : 4);
    const [worker, api] = [workers.last, apis.last];
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const [apiIdle, workerIdle] = [readMemory(api.pid), readMemory(worker.pid)];
    const client = await signIn(api.address);
    const workflow = await driver.publish([
      { id: "first", uses: "builtin:noop" },
      { id: "second", uses: "builtin:noop", dependsOn: ["first"] },
    ]);
    const watches = [watchMemory(api), watchMemory(worker)] as const;
    try {
      await measureThroughput(async () => await driver.untilEnded(await client.startRun(workflow)), load);
    } finally {
      await client.close();
      for (const watch of watches) watch.stop();
    }
    return {
      api: { startMs: apis.startMs, idle: apiIdle, busy: watches[0].most() },
      worker: { startMs: workers.startMs, idle: workerIdle, busy: watches[1].most() },
    };
  });
}

async function startSome<T extends WorkerChild>(
  start: () => Promise<T>,
  count: number,
): Promise<{ last: T; startMs: number }> {
  const times: number[] = [];
  for (let place = 1; place < count; place += 1) {
    const child = await start();
    times.push(child.startMs);
    await child.stop();
  }
  const last = await start();
  return { last, startMs: median([...times, last.startMs]) };
}

function watchMemory(child: WorkerChild) {
  let most: ProcessMemory = { ownBytes: 0, helperBytes: 0 };
  const timer = setInterval(() => {
    const now = readMemory(child.pid);
    most = {
      ownBytes: Math.max(most.ownBytes, now.ownBytes),
      helperBytes: Math.max(most.helperBytes, now.helperBytes),
    };
  }, SAMPLE_MS);
  return { most: () => most, stop: () => clearInterval(timer) };
}
