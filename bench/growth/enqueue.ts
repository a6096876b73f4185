import { Queue } from "bullmq";
import { measureLatency, measureThroughput } from "../measure.js";
import { readCpuMs } from "../process-cpu.js";
import { type LatencySummary, median, pairedRatio, summarise } from "../statistics.js";
import { signIn } from "./api-client.js";
import { type GrowthStage, withInstallation } from "./installation.js";

/** T13: how fast runs are accepted, without anybody to work on them. */
export interface EnqueueFigures {
  /** `POST /workflow-runs` up to its 202, milliseconds, one at a time. */
  readonly latencyMs: LatencySummary;
  /** With 32 requests in flight. */
  readonly runsPerSecond: number;
  /** `Queue.add` with 32 in flight. */
  readonly rawAddsPerSecond: number;
  readonly vsRawAdd: number;
  /** CPU of the API process for each run, milliseconds. */
  readonly apiCpuMsPerRun: number;
}

const IN_FLIGHT = 32;

/** Measures both alternately. */
export async function measureEnqueue(stage: GrowthStage): Promise<EnqueueFigures> {
  const { signal, isQuick } = stage;
  const load = { inFlight: IN_FLIGHT, warmUpMs: 500, windowMs: isQuick ? 1500 : 4000, signal };
  return await withInstallation(stage, "enqueue", async ({ driver, startApi }) => {
    const api = await startApi();
    const client = await signIn(api.address);
    const queue = new Queue("raw-adds", {
      connection: { url: stage.redis.url, maxRetriesPerRequest: null },
      prefix: "growth_raw",
    });
    try {
      const workflow = await driver.publish([{ id: "only", uses: "builtin:noop" }]);
      const start = async (): Promise<void> => void (await client.startRun(workflow));
      const add = async (): Promise<void> => void (await queue.add("step", { runId: "", isRoot: true }));
      const found = { adds: [] as number[], runs: [] as number[], cpuMs: [] as number[], ms: [] as number[] };
      await measureThroughput(start, load);
      for (let round = 0; round < (isQuick ? 3 : 5); round += 1) {
        found.adds.push((await measureThroughput(add, load)).runsPerSecond);
        const before = readCpuMs(api.pid);
        const throughput = await measureThroughput(start, load);
        found.runs.push(throughput.runsPerSecond);
        found.cpuMs.push((readCpuMs(api.pid) - before) / throughput.allRuns);
        found.ms.push(...(await measureLatency(start, { samples: isQuick ? 60 : 200, signal })));
      }
      return {
        latencyMs: summarise(found.ms),
        runsPerSecond: median(found.runs),
        rawAddsPerSecond: median(found.adds),
        vsRawAdd: pairedRatio(found.runs, found.adds),
        apiCpuMsPerRun: median(found.cpuMs),
      };
    } finally {
      await client.close();
      await queue.obliterate({ force: true });
      await queue.close();
    }
  });
}
