import type { ApprovalState } from "../../src/core/approval.js";
import type { JsonValue } from "../../src/core/json.js";
import type { RunError, RunStatus, StepStatus } from "../../src/core/statuses.js";
import type { Transition } from "../../src/core/transition.js";

/** A row of `workflow_runs`, as far as the engine reads it. Times are milliseconds of the simulated clock. */
export interface RunRow {
  readonly id: string;
  readonly workflow_id: string | null;
  readonly workflow_version_id: string;
  readonly trigger: string;
  readonly replay_of: string | null;
  readonly parent_run_id: string | null;
  readonly parent_step_index: number | null;
  readonly parent_item_index: number | null;
  readonly depth: number;
  readonly priority: number;
  readonly concurrency_key: string | null;
  readonly rate_key: string | null;
  readonly available_at: number;
  status: RunStatus;
  step_states: string;
  last_seq: number;
  flow: number;
  error: RunError | null;
  ending: "canceled" | "failed" | null;
  output: JsonValue;
  started_at: number | null;
  finished_at: number | null;
  deadline_at: number | null;
  admitted_at: number | null;
  admission: Extract<Transition, { kind: "admit" | "cancel" }> | null;
}

/** A row of `step_runs`. */
export interface StepRow {
  readonly run_id: string;
  readonly step_index: number;
  readonly item_index: number;
  readonly step_id: string;
  readonly queue_timeout_seconds: number | null;
  status: StepStatus;
  attempt: number;
  lost_count: number;
  released_count: number;
  lease_token: string | null;
  worker_id: string | null;
  available_at: number | null;
  checked_at: number | null;
  due_at: number | null;
  finished_at: number | null;
  output: JsonValue;
  error: RunError | null;
  items_total: number | null;
  items_next: number | null;
  items_ended: number | null;
  items_failed: number | null;
  child_run_id: string | null;
  approval: ApprovalState | null;
}

/** A row of `run_events`. */
export interface EventRow {
  readonly seq: number;
  readonly type: string;
  readonly step_id: string | null;
  readonly item_index: number | null;
  readonly attempt: number | null;
  /** JSON. */
  readonly data: string;
}

/** All rows of one run. */
export interface RunTables {
  readonly row: RunRow;
  readonly steps: Map<number, StepRow>;
  readonly events: EventRow[];
  /** Items of its `forEach`es, by step. */
  readonly items: Map<number, JsonValue[]>;
  /** Attempts that were followed by another, by the key of their row and their number. */
  readonly attempts: Map<number, Map<number, AttemptRow>>;
}

/** A row of `step_attempts`. */
export interface AttemptRow {
  readonly worker_id: string | null;
  readonly error: RunError | null;
}

/** The tables, in memory. */
export interface Tables {
  readonly runs: Map<string, RunTables>;
  /** Leases of workers by id: until when. */
  readonly workers: Map<string, number>;
  /** The transaction's `now()`. */
  now: number;
}

/** Most items of a `forEach` that a simulation may have, and then some. */
const ITEMS_PER_STEP = 1000;

/** The key of a step run's row within its run. */
export function rowKey(stepIndex: number, itemIndex: number): number {
  return stepIndex * ITEMS_PER_STEP + itemIndex + 1;
}

/** The rows of a run that has to be there. */
export function tablesOf(tables: Tables, runId: string): RunTables {
  const run = tables.runs.get(runId);
  if (!run) throw new Error(`no run ${runId}`);
  return run;
}
