import type { JsonValue } from "../../src/core/json.js";
import { readCpuMs } from "../process-cpu.js";
import { readMemory } from "../process-memory.js";
import { type LatencySummary, summarise } from "../statistics.js";
import { type ApiClient, signIn } from "./api-client.js";
import { type GrowthStage, type Installation, withInstallation } from "./installation.js";
import { openStream, type StreamClient } from "./stream-client.js";

/** T14: what it takes to tell clients of a run's events. */
export interface StreamFigures {
  /** Of events that come one by one, from their transaction to the client's socket, milliseconds. */
  readonly idleMs: LatencySummary;
  /** By number of clients that follow one busy run. */
  readonly busy: Readonly<Record<string, BusyFigure>>;
  /** What each client beyond the first costs: CPU of the API for one event to one client, microseconds. */
  readonly cpuMicrosecondsPerDelivery: number;
}

/** One busy run with a number of clients. */
export interface BusyFigure {
  readonly events: number;
  /** CPU of the API process from the first event to the last, milliseconds. */
  readonly apiCpuMs: number;
  readonly cpuMicrosecondsPerDelivery: number;
  readonly delayMs: LatencySummary;
  /** Growth of the API's memory for each client, bytes. */
  readonly bytesPerClient: number;
}

const CLIENTS = [1, 100, 1000];
const PAUSED_STEPS = 25;
const CONNECT_TOGETHER = 50;

/** Follows a run of pauses with one client, then a busy one with more and more of them. */
export async function measureStreams(stage: GrowthStage): Promise<StreamFigures> {
  return await withInstallation(stage, "streams", async (installation) => {
    const api = await installation.startApi();
    const client = await signIn(api.address);
    try {
      const follow = { stage, installation, api, client };
      const idle = await followRun({ ...follow, clients: 1, steps: chain(PAUSED_STEPS, PAUSE) });
      const busy: Record<string, BusyFigure> = {};
      for (const clients of CLIENTS) {
        const length = stage.isQuick ? 60 : 200;
        busy[clients] = await followRun({ ...follow, clients, steps: chain(length, {}) });
        stage.progress(
          `streams, ${clients} clients: ${busy[clients].cpuMicrosecondsPerDelivery.toFixed(1)} us each`,
        );
      }
      return { idleMs: idle.delayMs, busy, cpuMicrosecondsPerDelivery: marginalCost(busy) };
    } finally {
      await client.close();
    }
  });
}

const PAUSE = { uses: "builtin:wait", inputs: { seconds: { value: 0.1 } } };

function chain(length: number, step: Record<string, JsonValue>): JsonValue[] {
  return Array.from({ length }, (_, index) => ({
    id: `step-${index}`,
    uses: "builtin:noop",
    dependsOn: index === 0 ? [] : [`step-${index - 1}`],
    ...step,
  }));
}

/** The run is started first and waits; its worker starts once every client is connected. */
async function followRun(options: {
  readonly stage: GrowthStage;
  readonly installation: Installation;
  readonly api: { readonly pid: number; readonly address: string };
  readonly client: ApiClient;
  readonly clients: number;
  readonly steps: JsonValue[];
}): Promise<BusyFigure> {
  const { stage, installation, api } = options;
  const memoryBefore = readMemory(api.pid).ownBytes;
  const runId = await options.client.startRun(await installation.driver.publish(options.steps));
  const url = `${api.address}/api/v1/workflow-runs/${runId}/stream`;
  const streams: StreamClient[] = [];
  try {
    while (streams.length < options.clients) {
      stage.signal.throwIfAborted();
      const count = Math.min(CONNECT_TOGETHER, options.clients - streams.length);
      const opened = Array.from({ length: count }, () => openStream(url, options.client.authorization));
      streams.push(...(await Promise.all(opened)));
    }
    const seen = streams.map((stream) => stream.delaysMs.length);
    const cpuBefore = readCpuMs(api.pid);
    const worker = await installation.startWorker();
    await Promise.all([installation.driver.untilEnded(runId), ...streams.map(({ ended }) => ended)]);
    const apiCpuMs = readCpuMs(api.pid) - cpuBefore;
    const memoryAfter = readMemory(api.pid).ownBytes;
    await worker.stop();
    return toFigure({ streams, seen, apiCpuMs, memory: memoryAfter - memoryBefore });
  } finally {
    for (const stream of streams) stream.close();
  }
}

function toFigure(found: {
  readonly streams: readonly StreamClient[];
  /** Events of each that came at once, because they were there before the client. */
  readonly seen: readonly number[];
  readonly apiCpuMs: number;
  readonly memory: number;
}): BusyFigure {
  const counts = found.streams.map((stream) => stream.events());
  const [events = 0] = counts;
  if (counts.some((count) => count !== events)) throw new Error("a client has missed events");
  const delays = found.streams.flatMap(({ delaysMs }, index) => delaysMs.slice(found.seen[index]));
  return {
    events,
    apiCpuMs: found.apiCpuMs,
    cpuMicrosecondsPerDelivery: (found.apiCpuMs * 1000) / (events * counts.length),
    delayMs: summarise(delays),
    bytesPerClient: found.memory / counts.length,
  };
}

function marginalCost(busy: Readonly<Record<string, BusyFigure>>): number {
  const [one, most] = [busy[1], busy[1000]];
  if (!one || !most) return Number.NaN;
  return ((most.apiCpuMs - one.apiCpuMs) * 1000) / (most.events * 999);
}
