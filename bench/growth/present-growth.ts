import type { ProcessMemory } from "../process-memory.js";
import type { LatencySummary } from "../statistics.js";
import { rounded, table } from "../table.js";
import type { GrowthFigures } from "./measure-growth.js";
import type { ShapeFigure } from "./shapes.js";

type Part<T extends keyof GrowthFigures> = NonNullable<GrowthFigures[T]>;

/** What was measured of growth, for people: a table for each topic. */
export function presentGrowth(figures: GrowthFigures): string[] {
  const { enqueue, streams, memory, processes, disk, shapes, workers, history } = figures;
  const parts = [
    enqueue && presentEnqueue(enqueue),
    streams && presentStreams(streams),
    memory && presentMemory(memory),
    processes && presentProcesses(processes),
    disk && presentDisk(disk),
    shapes && presentShapes(shapes),
    workers && presentWorkers(workers),
    history && presentHistory(history),
  ];
  return parts.flatMap((lines) => (lines ? [...lines, ""] : []));
}

function presentEnqueue(found: Part<"enqueue">): string[] {
  return table(
    ["accepting runs, no workers", "", "runs/s", "vs raw add", "p50 ms", "p95", "p99", "API CPU ms"],
    [
      ["POST /workflow-runs", "", rounded(found.runsPerSecond), found.vsRawAdd.toFixed(2)].concat(
        presentLatency(found.latencyMs),
        found.apiCpuMsPerRun.toFixed(2),
      ),
      ["Queue.add", "", rounded(found.rawAddsPerSecond), "1"],
    ],
  );
}

function presentStreams({ idleMs, busy, cpuMicrosecondsPerDelivery }: Part<"streams">): string[] {
  const rows = Object.entries(busy).map(([clients, figure]) => [
    "busy run",
    clients,
    String(figure.events),
    ...presentLatency(figure.delayMs),
    figure.cpuMicrosecondsPerDelivery.toFixed(1),
    (figure.bytesPerClient / 1024).toFixed(0),
  ]);
  return [
    ...table(
      ["event streams", "clients", "events", "p50 ms", "p95", "p99", "API CPU us/event/client", "KB/client"],
      [["paused run", "1", "", ...presentLatency(idleMs)], ...rows],
    ),
    `CPU of the API for each event and further client: ${cpuMicrosecondsPerDelivery.toFixed(1)} us`,
  ];
}

function presentMemory(found: Part<"memory">): string[] {
  return table(
    ["Redis memory, bytes", "", "each"],
    [
      ["waiting step of a flow of 100", "", found.bytesPerFlowStep.toFixed(0)],
      ["waiting step of a run of one", "", found.bytesPerPlainStep.toFixed(0)],
      ["run of 100 in a row, one waits", "", found.bytesPerChainRun.toFixed(0)],
    ],
  );
}

function presentProcesses(found: Part<"processes">): string[] {
  const megabytes = ({ ownBytes, helperBytes }: ProcessMemory): string[] =>
    [ownBytes, helperBytes].map((bytes) => (bytes / 1024 ** 2).toFixed(0));
  return table(
    ["processes", "", "start ms", "idle MB", "helpers", "busy MB", "helpers"],
    Object.entries(found).map(([name, { startMs, idle, busy }]) => [
      name,
      "",
      startMs.toFixed(0),
      ...megabytes(idle),
      ...megabytes(busy),
    ]),
  );
}

function presentDisk(found: Part<"disk">): string[] {
  const megabytes = (bytes: number): string => (bytes / 1024 ** 2).toFixed(2);
  return table(
    ["disk", "most of it", "runs", "MB per 1000 runs", "WAL KB per run"],
    Object.entries(found).map(([id, figure]) => [
      id,
      Object.entries(figure.bytesPer1000RunsByTable)
        .slice(0, 4)
        .map(([name, bytes]) => `${name} ${megabytes(bytes)}`)
        .join(", "),
      String(figure.runs),
      megabytes(figure.bytesPer1000Runs),
      (figure.walBytesPerRun / 1024).toFixed(1),
    ]),
  );
}

function presentShapes({ branches, items, chains }: Part<"shapes">): string[] {
  const rows = (name: string, figures: Readonly<Record<string, ShapeFigure>>) =>
    Object.entries(figures).map(([size, { ms, msPerStep }]) => [
      name,
      size,
      ms.toFixed(0),
      msPerStep.toFixed(2),
    ]);
  return table(
    ["one run", "size", "ms", "ms per step"],
    [
      ...rows("parallel branches and a join", branches),
      ...rows("items of a forEach", items),
      ...rows("steps in a row", chains),
    ],
  );
}

function presentWorkers(found: Part<"workers">): string[] {
  return table(
    ["worker processes", "", "chains of 10, runs/s", "steps of 100 ms, steps/s", "of what 8 slots allow"],
    Object.keys(found.chainRunsPerSecond).map((count) => [
      count,
      "",
      rounded(found.chainRunsPerSecond[count] ?? Number.NaN),
      rounded(found.slowStepsPerSecond[count] ?? Number.NaN),
      `${((found.slowStepsOfIdeal[count] ?? Number.NaN) * 100).toFixed(0)} %`,
    ]),
  );
}

function presentHistory(found: Part<"history">): string[] {
  const { empty, full } = found.runsPerSecond;
  return [
    `W1 with ${found.storedRuns} ended runs stored: ${rounded(full)} runs/s, with none ${rounded(empty)}; ` +
      `ratio ${found.fullVsEmpty.toFixed(2)}`,
    ...table(
      [`reads with ${found.storedRuns} runs`, "", "p50 ms", "p95", "p99"],
      Object.entries(found.reads).map(([name, latency]) => [name, "", ...presentLatency(latency)]),
    ),
  ];
}

function presentLatency({ p50, p95, p99 }: LatencySummary): string[] {
  return [p50, p95, p99].map(rounded);
}
