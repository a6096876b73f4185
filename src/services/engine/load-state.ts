import type pg from "pg";
import type { RunPlan } from "../../core/plan.js";
import type { RunError, RunStatus } from "../../core/statuses.js";
import { StepStates } from "../../core/step-states.js";
import type { StepState, Transition } from "../../core/transition.js";
import { LOAD_STEPS, LOCK_RUNS } from "./engine-statements.js";
import type { RunInFlush } from "./flush-batch.js";

/** Runs and steps as their rows say under the lock. */
export interface LoadedState {
  readonly runs: Map<string, RunInFlush>;
  readonly steps: Map<string, StepState>;
}

interface RunRow {
  readonly id: string;
  readonly status: RunStatus;
  readonly workflow_version_id: string;
  readonly step_states: string;
  readonly last_seq: number;
  readonly flow: number;
  readonly priority: number;
  readonly error: RunError | null;
}

interface StepRow {
  readonly run_id: string;
  readonly step_index: number;
  readonly item_index: number;
  readonly status: StepState["status"];
  readonly attempt: number;
  readonly lost_count: number;
  readonly released_count: number;
  readonly lease_token: string | null;
  readonly wait_ms: number;
}

/**
 * Locks runs and reads them with the steps that transitions name; sends both queries before it waits for either.
 * @param plans plans by workflow version; runs of other versions are left out.
 */
export async function loadState(
  client: pg.PoolClient,
  transitions: readonly { readonly runId: string; readonly transition: Transition }[],
  plans: ReadonlyMap<string, RunPlan>,
): Promise<LoadedState> {
  if (transitions.length === 0) return { runs: new Map(), steps: new Map() };
  const runIds = [...new Set(transitions.map((item) => item.runId))];
  const [runRows, stepRows] = await Promise.all([
    client.query<RunRow>({ ...LOCK_RUNS, values: [runIds] }),
    client.query<StepRow>({ ...LOAD_STEPS, values: stepKeys(transitions) }),
  ]);
  const runs = runRows.rows.flatMap((row): [string, RunInFlush][] => {
    const plan = plans.get(row.workflow_version_id);
    return plan ? [[row.id, toRun(row, plan)]] : [];
  });
  const steps = stepRows.rows.map((row): [string, StepState] => [
    stepKey(row.run_id, row.step_index, row.item_index),
    toStep(row),
  ]);
  return { runs: new Map(runs), steps: new Map(steps) };
}

function stepKeys(
  transitions: readonly { readonly runId: string; readonly transition: Transition }[],
): [string[], number[], number[]] {
  const keys = new Map<string, [string, number, number]>();
  for (const { runId, transition } of transitions) {
    if (!("stepIndex" in transition)) continue;
    const { stepIndex, itemIndex } = transition;
    keys.set(stepKey(runId, stepIndex, itemIndex), [runId, stepIndex, itemIndex]);
  }
  const rows = [...keys.values()];
  return [rows.map((row) => row[0]), rows.map((row) => row[1]), rows.map((row) => row[2])];
}

/** Names a step of a run within a flush. */
export function stepKey(runId: string, stepIndex: number, itemIndex: number): string {
  return `${runId}/${stepIndex}/${itemIndex}`;
}

function toRun(row: RunRow, plan: RunPlan): RunInFlush {
  return {
    id: row.id,
    plan,
    states: new StepStates(row.step_states),
    flow: row.flow,
    priority: row.priority,
    isNew: undefined,
    status: row.status,
    error: row.error,
    lastSeq: row.last_seq,
    hasStarted: false,
    output: undefined,
  };
}

function toStep(row: StepRow): StepState {
  return {
    stepIndex: row.step_index,
    itemIndex: row.item_index,
    status: row.status,
    attempt: row.attempt,
    lostCount: row.lost_count,
    releasedCount: row.released_count,
    leaseToken: row.lease_token,
    waitMs: row.wait_ms,
  };
}
