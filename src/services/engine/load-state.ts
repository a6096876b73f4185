import type pg from "pg";
import type { RunPlan } from "../../core/plan.js";
import type { RunError, RunStatus } from "../../core/statuses.js";
import { StepStates } from "../../core/step-states.js";
import type { FanOut, OpenItem, StepState, Transition } from "../../core/transition.js";
import { LOAD_OPEN_ITEMS, LOAD_STEPS, LOCK_RUNS } from "./engine-statements.js";
import type { RunInFlush } from "./flush-batch.js";

/** Runs and steps as their rows say under the lock. */
export interface LoadedState {
  readonly runs: Map<string, RunInFlush>;
  readonly steps: Map<string, StepState>;
  /** Items under way, of runs that are to be stopped; by run. */
  readonly openItems: Map<string, OpenItem[]>;
}

/** What a flush of new runs alone has to read. */
export const NOTHING_LOADED: LoadedState = { runs: new Map(), steps: new Map(), openItems: new Map() };

/** A row of LOCK_RUNS. */
export interface LockedRunRow {
  readonly id: string;
  readonly status: RunStatus;
  readonly workflow_version_id: string;
  readonly step_states: string;
  readonly last_seq: number;
  readonly flow: number;
  readonly priority: number;
  readonly error: RunError | null;
  readonly ending: RunInFlush["ending"];
  readonly depth: number;
  readonly workflow_id: string | null;
  readonly parent_run_id: string | null;
  readonly parent_step_index: number | null;
  readonly parent_item_index: number | null;
  readonly concurrency_key: string | null;
  readonly rate_key: string | null;
}

/** A row of LOAD_STEPS. */
export interface LoadedStepRow {
  readonly run_id: string;
  readonly step_index: number;
  readonly item_index: number;
  readonly status: StepState["status"];
  readonly attempt: number;
  readonly lost_count: number;
  readonly released_count: number;
  readonly lease_token: string | null;
  readonly wait_ms: number;
  readonly items_total: number | null;
  readonly items_next: number | null;
  readonly items_ended: number | null;
  readonly items_failed: number | null;
  readonly items_error: RunError | null;
  readonly child_run_id: string | null;
  readonly approval: StepState["approval"];
  readonly is_due: boolean | null;
}

/** A row of LOAD_OPEN_ITEMS. */
export interface OpenItemRow {
  readonly run_id: string;
  readonly step_index: number;
  readonly item_index: number;
  readonly attempt: number;
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
  if (transitions.length === 0) return { runs: new Map(), steps: new Map(), openItems: new Map() };
  const runIds = [...new Set(transitions.map((item) => item.runId))];
  const stopped = stoppedRuns(transitions);
  const [runRows, stepRows, itemRows] = await Promise.all([
    client.query<LockedRunRow>({ ...LOCK_RUNS, values: [runIds] }),
    client.query<LoadedStepRow>({ ...LOAD_STEPS, values: stepKeys(transitions) }),
    stopped.length === 0
      ? { rows: [] }
      : client.query<OpenItemRow>({ ...LOAD_OPEN_ITEMS, values: [stopped] }),
  ]);
  return toLoadedState(runRows.rows, stepRows.rows, plans, itemRows.rows);
}

/** What rows say, in the engine's own shapes. */
export function toLoadedState(
  runRows: readonly LockedRunRow[],
  stepRows: readonly LoadedStepRow[],
  plans: ReadonlyMap<string, RunPlan>,
  itemRows: readonly OpenItemRow[] = [],
): LoadedState {
  const runs = runRows.flatMap((row): [string, RunInFlush][] => {
    const plan = plans.get(row.workflow_version_id);
    return plan ? [[row.id, toRun(row, plan)]] : [];
  });
  const steps = stepRows.map((row): [string, StepState] => [
    stepKey(row.run_id, row.step_index, row.item_index),
    toStep(row),
  ]);
  const openItems = new Map<string, OpenItem[]>();
  for (const { run_id, step_index: stepIndex, item_index: itemIndex, attempt } of itemRows)
    appendTo(openItems, run_id, { stepIndex, itemIndex, attempt });
  return { runs: new Map(runs), steps: new Map(steps), openItems };
}

function appendTo(openItems: Map<string, OpenItem[]>, runId: string, item: OpenItem): void {
  const known = openItems.get(runId);
  if (known) known.push(item);
  else openItems.set(runId, [item]);
}

/** Runs that transitions stop. */
export function stoppedRuns(
  transitions: readonly { readonly runId: string; readonly transition: Transition }[],
): string[] {
  const stops = transitions.filter(({ transition: { kind } }) => kind === "cancel" || kind === "expire");
  return [...new Set(stops.map(({ runId }) => runId))];
}

/** The rows that transitions name: runs, steps and items as the columns of LOAD_STEPS. */
export function stepKeys(
  transitions: readonly { readonly runId: string; readonly transition: Transition }[],
): [string[], number[], number[]] {
  const keys = new Map<string, [string, number, number]>();
  for (const { runId, transition } of transitions) {
    if (!("stepIndex" in transition)) continue;
    const { stepIndex, itemIndex } = transition;
    keys.set(stepKey(runId, stepIndex, itemIndex), [runId, stepIndex, itemIndex]);
    // what becomes of an item is counted on the row of its whole
    if (itemIndex >= 0) keys.set(stepKey(runId, stepIndex, -1), [runId, stepIndex, -1]);
  }
  const rows = [...keys.values()];
  return [rows.map((row) => row[0]), rows.map((row) => row[1]), rows.map((row) => row[2])];
}

/** Names a step of a run within a flush. */
export function stepKey(runId: string, stepIndex: number, itemIndex: number): string {
  return `${runId}/${stepIndex}/${itemIndex}`;
}

function toRun(row: LockedRunRow, plan: RunPlan): RunInFlush {
  return {
    id: row.id,
    plan,
    states: new StepStates(row.step_states),
    flow: row.flow,
    priority: row.priority,
    isNew: undefined,
    depth: row.depth,
    workflowId: row.workflow_id,
    parent:
      row.parent_run_id === null
        ? undefined
        : {
            runId: row.parent_run_id,
            stepIndex: row.parent_step_index ?? 0,
            itemIndex: row.parent_item_index ?? -1,
          },
    concurrencyKey: row.concurrency_key,
    rateKey: row.rate_key,
    status: row.status,
    error: row.error,
    ending: row.ending,
    lastSeq: row.last_seq,
    hasStarted: false,
    isNewFlow: false,
    output: undefined,
  };
}

function toStep(row: LoadedStepRow): StepState {
  return {
    stepIndex: row.step_index,
    itemIndex: row.item_index,
    status: row.status,
    attempt: row.attempt,
    lostCount: row.lost_count,
    releasedCount: row.released_count,
    leaseToken: row.lease_token,
    waitMs: row.wait_ms,
    fanOut: toFanOut(row),
    childRunId: row.child_run_id,
    approval: row.approval,
    isDue: row.is_due ?? false,
  };
}

function toFanOut(row: LoadedStepRow): FanOut | null {
  if (row.items_total === null) return null;
  return {
    total: row.items_total,
    next: row.items_next ?? 0,
    ended: row.items_ended ?? 0,
    failed: row.items_failed ?? 0,
    error: row.items_error,
  };
}
