import { type DiskFigures, measureDisk } from "./disk.js";
import { type EnqueueFigures, measureEnqueue } from "./enqueue.js";
import type { GrowthTopic } from "./growth-topics.js";
import { type HistoryFigures, measureHistory } from "./history.js";
import type { GrowthStage } from "./installation.js";
import { measureProcesses, type ProcessFigures } from "./processes.js";
import { measureRedisMemory, type RedisMemoryFigures } from "./redis-memory.js";
import { measureShapes, type ShapeFigures } from "./shapes.js";
import { measureStreams, type StreamFigures } from "./streams.js";
import { measureWorkers, type WorkerFigures } from "./workers.js";

/** How cost grows, by topic; only what was asked for. */
export interface GrowthFigures {
  readonly enqueue?: EnqueueFigures;
  readonly streams?: StreamFigures;
  readonly memory?: RedisMemoryFigures;
  readonly processes?: ProcessFigures;
  readonly disk?: DiskFigures;
  readonly shapes?: ShapeFigures;
  readonly workers?: WorkerFigures;
  readonly history?: HistoryFigures;
}

const MEASURES: { readonly [T in GrowthTopic]: (stage: GrowthStage) => Promise<GrowthFigures[T]> } = {
  enqueue: measureEnqueue,
  streams: measureStreams,
  memory: measureRedisMemory,
  processes: measureProcesses,
  disk: measureDisk,
  shapes: measureShapes,
  workers: measureWorkers,
  history: measureHistory,
};

/** Measures some topics, one after the other, each on an installation of its own. */
export async function measureGrowth(
  topics: readonly GrowthTopic[],
  stage: GrowthStage,
): Promise<GrowthFigures> {
  const figures: [GrowthTopic, unknown][] = [];
  for (const topic of topics) {
    stage.progress(`growth: ${topic}`);
    figures.push([topic, await MEASURES[topic](stage)]);
  }
  return Object.fromEntries(figures) as GrowthFigures;
}
