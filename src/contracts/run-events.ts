import type { JsonValue } from "../core/json.js";

/** Every type of run event. */
export const RUN_EVENT_TYPES = [
  "run.queued",
  "run.started",
  "run.waiting",
  "run.succeeded",
  "run.failed",
  "run.canceled",
  "step.queued",
  "step.started",
  "step.progress",
  "step.log",
  "step.token",
  "step.retrying",
  "step.waiting",
  "step.succeeded",
  "step.failed",
  "step.skipped",
  "step.canceled",
] as const;
export type RunEventType = (typeof RUN_EVENT_TYPES)[number];

/** One event of a run: the `data` of a stream's frame, and a row of `run_events`. */
export interface RunEvent {
  /** 1, 2, 3, … without gaps within its run. */
  readonly seq: number;
  readonly runId: string;
  readonly type: RunEventType;
  /** ISO 8601, UTC, milliseconds; the database's clock. */
  readonly at: string;
  readonly stepId?: string;
  readonly itemIndex?: number;
  readonly attempt?: number;
  readonly data: JsonValue;
}

/** One line of a step's log, inside a `step.log` event's `data.lines`. */
export interface LogLine {
  readonly at: string;
  readonly stream: "stdout" | "stderr" | "system";
  readonly message: string;
}

/** Whether an event ends its run's sequence. */
export function isTerminalEvent(type: RunEventType): boolean {
  return type === "run.succeeded" || type === "run.failed" || type === "run.canceled";
}
