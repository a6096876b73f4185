/** Percentiles of what was recorded, in milliseconds or bytes. */
export interface Spread {
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

/** What one step did in the runs that were looked at. */
export interface StepHistory {
  readonly stepId: string;
  /** Executions that ended, items of a `forEach` included. */
  readonly executions: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Of failed executions and of attempts that failed and were followed by another. */
  readonly errorCodes: Readonly<Record<string, number>>;
  /** Executions that succeeded in a later attempt than their first. */
  readonly recovered: number;
  readonly failedRunIds: readonly string[];
  /** Of executions that succeeded and were not taken from the cache. */
  readonly durationMs: Spread | undefined;
  /** Of executions that failed. */
  readonly failedDurationMs: Spread | undefined;
  readonly outputBytes: Spread | undefined;
  readonly inputBytes: Spread | undefined;
  /** Executions whose inputs had been seen in another one. */
  readonly repeats: number;
  /** Inputs that were seen more than once, and those of them that did not always give the same output. */
  readonly repeatedInputs: number;
  readonly unsteadyInputs: number;
  readonly repeatRunIds: readonly string[];
  /** Items of a `forEach` in a run. */
  readonly items: Spread | undefined;
}

/** What a workflow's newest runs show. */
export interface WorkflowHistory {
  /** Ended runs that were looked at. */
  readonly runs: number;
  readonly runIds: readonly string[];
  readonly succeeded: number;
  readonly failedRunIds: readonly string[];
  /** From start to end. */
  readonly durationMs: Spread | undefined;
  readonly steps: ReadonlyMap<string, StepHistory>;
}

/** Nothing has run. */
export const NO_HISTORY: WorkflowHistory = {
  runs: 0,
  runIds: [],
  succeeded: 0,
  failedRunIds: [],
  durationMs: undefined,
  steps: new Map(),
};
