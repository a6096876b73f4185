import type { StepRun } from "../../../../src/contracts/api/runs.js";
import type { StepStatus } from "../../../../src/core/statuses.js";

/** One stretch of a row: what a step did from when to when. */
export interface TimelineBar {
  /** `queued`: it waited for a worker, a turn or its retry. */
  readonly kind: "queued" | "ran";
  readonly status: StepStatus;
  readonly attempt: number;
  readonly from: number;
  /** Undefined: it goes on. */
  readonly to: number | undefined;
}

/** One row: a step, or one item of a `forEach`. */
export interface TimelineRow {
  readonly key: string;
  readonly step: StepRun;
  readonly bars: readonly TimelineBar[];
  /** Of a `forEach`: how many items it has, and whether they are shown. */
  readonly items: number;
  readonly isOpen: boolean;
}

/** The rows of a run: items under their step, where that is open. */
export function toTimelineRows(steps: readonly StepRun[], open: ReadonlySet<string>): TimelineRow[] {
  const counts = new Map<string, number>();
  for (const { stepId, itemIndex } of steps)
    if (itemIndex !== undefined) counts.set(stepId, (counts.get(stepId) ?? 0) + 1);
  return steps
    .filter(({ stepId, itemIndex }) => itemIndex === undefined || open.has(stepId))
    .map((step) => ({
      key: step.id,
      step,
      bars: toBars(step),
      items: step.itemIndex === undefined ? (counts.get(step.stepId) ?? 0) : 0,
      isOpen: open.has(step.stepId),
    }));
}

/** What each attempt did. The newest is told by the step itself, which events move first. */
export function toBars(step: StepRun): TimelineBar[] {
  const older = step.attempts.filter(({ attempt }) => attempt < step.attempt);
  return [...older, step].flatMap(({ attempt, status, queuedAt, startedAt, finishedAt }) => {
    const bars: TimelineBar[] = [];
    const started = startedAt === null ? undefined : new Date(startedAt).getTime();
    const finished = finishedAt === null ? undefined : new Date(finishedAt).getTime();
    if (queuedAt !== null) {
      const from = new Date(queuedAt).getTime();
      const to = started ?? finished;
      if (to === undefined || to > from) bars.push({ kind: "queued", status, attempt, from, to });
    }
    if (started !== undefined) bars.push({ kind: "ran", status, attempt, from: started, to: finished });
    return bars;
  });
}

const STEPS_MS = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000,
  600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000,
];

/** Offsets from the start that are written over the rows: round ones, about `most` of them. */
export function timelineTicks(spanMs: number, most: number): number[] {
  const step =
    STEPS_MS.find((each) => spanMs / each <= most) ?? 86_400_000 * Math.ceil(spanMs / most / 86_400_000);
  return Array.from({ length: Math.floor(spanMs / step) + 1 }, (_, index) => index * step);
}
