import { judgeFigure, type Target, type Verdict } from "../targets.js";
import type { GrowthFigures } from "./measure-growth.js";

interface GrowthTarget extends Target {
  readonly read: (figures: GrowthFigures) => number | undefined;
}

const MOST = { isFloor: false } as const;
const MEGABYTE = 1024 ** 2;

const TARGETS: readonly GrowthTarget[] = [
  {
    ...{ ...MOST, id: "T13", title: "POST of a run up to its 202, p50 ms", limit: 8, goal: 4 },
    read: ({ enqueue }) => enqueue?.latencyMs.p50,
  },
  {
    ...{ ...MOST, id: "T14", title: "event to a client's socket, idle p50 ms", limit: 25, goal: 10 },
    read: ({ streams }) => streams?.idleMs.p50,
  },
  {
    ...{ ...MOST, id: "T14", title: "CPU us per event and client, 1000", limit: 10, goal: 5 },
    read: ({ streams }) => streams?.cpuMicrosecondsPerDelivery,
  },
  {
    ...{ ...MOST, id: "T15", title: "run list and detail, worst p95 ms", limit: 10, goal: 3 },
    read: ({ history }) => history?.worstReadP95Ms,
  },
  {
    ...{ ...MOST, id: "T16", title: "Redis KB per waiting step of a flow", limit: 2, goal: 1.4 },
    read: ({ memory }) => (memory ? memory.bytesPerFlowStep / 1000 : undefined),
  },
  {
    ...{ ...MOST, id: "T17", title: "memory of the API, idle, MB", limit: 250, goal: 150 },
    read: ({ processes }) => (processes ? processes.api.idle.ownBytes / MEGABYTE : undefined),
  },
  {
    ...{ ...MOST, id: "T17", title: "memory of a worker, idle, MB", limit: 250, goal: 150 },
    read: ({ processes }) => (processes ? processes.worker.idle.ownBytes / MEGABYTE : undefined),
  },
  {
    ...{ isFloor: true, id: "T15", title: "W1 runs/s, full database vs empty", limit: 0.9, goal: 1 },
    read: ({ history }) => history?.fullVsEmpty,
  },
];

/** Judges what was measured of growth. */
export function judgeGrowth(figures: GrowthFigures): Verdict[] {
  return TARGETS.flatMap(({ read, ...target }) => {
    const value = read(figures);
    return value === undefined ? [] : [judgeFigure(target, value)];
  });
}
