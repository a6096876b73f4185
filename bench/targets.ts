/** How a figure is judged. */
export interface Target {
  readonly id: `T${number}`;
  readonly title: string;
  /** Whether more is better. */
  readonly isFloor: boolean;
  readonly limit: number;
  readonly goal: number;
}

/** A target of one of the workloads. */
export interface WorkloadTarget extends Target {
  readonly workload: "W1" | "W2" | "W3" | "W4";
  readonly figure: keyof Ratios | keyof ScriptRatios;
}

/** The limits that the engine must keep, and the goals it should reach: its cost over the raw queue's. */
const TARGETS: readonly WorkloadTarget[] = [
  {
    id: "T1",
    title: "W1 runs/s vs raw",
    workload: "W1",
    figure: "vsRaw",
    isFloor: true,
    limit: 0.6,
    goal: 0.8,
  },
  {
    id: "T2",
    title: "W2 runs/s vs raw",
    workload: "W2",
    figure: "vsRaw",
    isFloor: true,
    limit: 0.5,
    goal: 0.7,
  },
  {
    id: "T3",
    title: "W3 runs/s vs raw",
    workload: "W3",
    figure: "vsRaw",
    isFloor: true,
    limit: 0.45,
    goal: 0.6,
  },
  {
    id: "T4",
    title: "W1 added p50, ms",
    workload: "W1",
    figure: "p50AddedMs",
    isFloor: false,
    limit: 4,
    goal: 2.5,
  },
  {
    id: "T4",
    title: "W2 added p50 per step, ms",
    workload: "W2",
    figure: "p50AddedMsPerStep",
    isFloor: false,
    limit: 2,
    goal: 1.2,
  },
  {
    id: "T4",
    title: "W3 added p50, ms",
    workload: "W3",
    figure: "p50AddedMs",
    isFloor: false,
    limit: 30,
    goal: 15,
  },
  {
    id: "T5",
    title: "W1 runs/s vs n8n, both over HTTP",
    workload: "W1",
    figure: "vsN8n",
    isFloor: true,
    limit: 15,
    goal: 25,
  },
  {
    id: "T5",
    title: "W1 p50, times lower than n8n's",
    workload: "W1",
    figure: "p50VsN8n",
    isFloor: true,
    limit: 5,
    goal: 8,
  },
  {
    id: "T6",
    title: "W2 runs/s vs n8n, both over HTTP",
    workload: "W2",
    figure: "vsN8n",
    isFloor: true,
    limit: 4,
    goal: 8,
  },
  {
    id: "T6",
    title: "W2 p50, times lower than n8n's",
    workload: "W2",
    figure: "p50VsN8n",
    isFloor: true,
    limit: 2,
    goal: 3,
  },
  {
    id: "T7",
    title: "W1 runs/s vs Restate",
    workload: "W1",
    figure: "vsRestate",
    isFloor: true,
    limit: 1.3,
    goal: 2,
  },
  {
    id: "T7",
    title: "W2 runs/s vs Restate",
    workload: "W2",
    figure: "vsRestate",
    isFloor: true,
    limit: 1.0,
    goal: 1.4,
  },
  {
    id: "T7",
    title: "W3 runs/s vs Restate",
    workload: "W3",
    figure: "vsRestate",
    isFloor: true,
    limit: 0.8,
    goal: 1.0,
  },
  {
    id: "T8",
    title: "W1 runs/s vs DBOS",
    workload: "W1",
    figure: "vsDbos",
    isFloor: true,
    limit: 2,
    goal: 3,
  },
  {
    id: "T8",
    title: "W2 runs/s vs DBOS",
    workload: "W2",
    figure: "vsDbos",
    isFloor: true,
    limit: 2,
    goal: 3,
  },
  {
    id: "T8",
    title: "W3 runs/s vs DBOS",
    workload: "W3",
    figure: "vsDbos",
    isFloor: true,
    limit: 3,
    goal: 5,
  },
  {
    id: "T9",
    title: "W4 Python vs bare forks",
    workload: "W4",
    figure: "vsZygote",
    isFloor: false,
    limit: 4,
    goal: 2.5,
  },
  {
    id: "T10",
    title: "W4 Python, cold vs warm",
    workload: "W4",
    figure: "warmVsCold",
    isFloor: true,
    limit: 3,
    goal: 5,
  },
  {
    id: "T11",
    title: "W4 Python, seconds",
    workload: "W4",
    figure: "seconds",
    isFloor: false,
    limit: 0.6,
    goal: 0.3,
  },
  {
    id: "T12",
    title: "W4 TypeScript, ms per step",
    workload: "W4",
    figure: "typescriptMsPerStep",
    isFloor: false,
    limit: 40,
    goal: 5,
  },
];

/** Headrace against the raw queue in one workload: medians over rounds. */
export interface Ratios extends Partial<PeerRatios> {
  /** Runs per second as a share of raw's. */
  readonly vsRaw: number;
  /** What the median run takes longer, one at a time. */
  readonly p50AddedMs: number;
  readonly p50AddedMsPerStep: number;
}

/** Headrace against other systems in one workload: how many times their runs/s, and how many times lower the p50. */
export interface PeerRatios {
  vsN8n: number;
  p50VsN8n: number;
  vsRestate: number;
  p50VsRestate: number;
  vsDbos: number;
  p50VsDbos: number;
}

/** Scripts, forty in a row: medians over rounds. */
export interface ScriptRatios {
  /** Warm Python's time over that of as many bare forks of a preloaded interpreter. */
  readonly vsZygote: number;
  /** How many times as long it takes when each interpreter is started from nothing. */
  readonly warmVsCold: number;
  readonly seconds: number;
  readonly typescriptMsPerStep: number;
}

/** A figure beside its target. */
export type Verdict = Target & Judgement;

/** How a figure stands to its target. */
export interface Judgement {
  readonly value: number;
  readonly verdict: "goal" | "ok" | "below";
  /** Missed by more than the slack that a busy machine is given. */
  readonly isFailure: boolean;
}

const SLACK = 0.2;

/** Judges the figures of the workloads that were measured. */
export function judge(
  ratios: Readonly<Partial<Record<string, Partial<Ratios & ScriptRatios>>>>,
): (WorkloadTarget & Judgement)[] {
  return TARGETS.flatMap((target) => {
    const value = ratios[target.workload]?.[target.figure];
    return value === undefined ? [] : [judgeFigure(target, value)];
  });
}

/** Judges one figure. */
export function judgeFigure<T extends Target>(target: T, value: number): T & Judgement {
  const keeps = (limit: number): boolean => (target.isFloor ? value >= limit : value <= limit);
  const slackened = target.isFloor ? target.limit * (1 - SLACK) : target.limit * (1 + SLACK);
  const verdict = keeps(target.goal) ? "goal" : keeps(target.limit) ? "ok" : "below";
  return { ...target, value, verdict, isFailure: !keeps(slackened) };
}
