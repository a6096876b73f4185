import type { RunPlan } from "../../src/core/plan.js";
import type { Transition } from "../../src/core/transition.js";
import {
  applyBatch,
  type CommittedRun,
  type FlushItem,
  type Judge,
  type TransitionOutcome,
} from "../../src/services/engine/apply-batch.js";
import {
  type LoadedStepRow,
  type LoadedState,
  stepKeys,
  stoppedRuns,
  toLoadedState,
} from "../../src/services/engine/load-state.js";
import type { EventLoop } from "./event-loop.js";
import { execute } from "./statements.js";
import { rowKey, type RunTables, type StepRow, type Tables } from "./tables.js";

/** What the simulation is told of each flush, once it is committed. */
export interface FlushRecord {
  readonly batch: readonly FlushItem[];
  readonly outcomes: readonly TransitionOutcome[];
  /** Runs that were written to. */
  readonly touched: readonly RunTables[];
}

/** PostgreSQL: tables in memory, and the engine's own flush against them. Every call is a transaction. */
export class Database {
  readonly tables: Tables = { runs: new Map(), workers: new Map(), now: 0 };
  readonly #loop: EventLoop;
  readonly #plans: ReadonlyMap<string, RunPlan>;
  readonly #judge: Judge;
  readonly #onFlush: (record: FlushRecord) => void;

  constructor(deps: {
    loop: EventLoop;
    plans: ReadonlyMap<string, RunPlan>;
    judge: Judge;
    onFlush: (record: FlushRecord) => void;
  }) {
    this.#loop = deps.loop;
    this.#plans = deps.plans;
    this.#judge = deps.judge;
    this.#onFlush = deps.onFlush;
  }

  /** One flush of a group commit: lock and load, judge, write. */
  commit(batch: readonly FlushItem[]): { outcomes: TransitionOutcome[]; committed: CommittedRun[] } {
    this.tables.now = this.#loop.now;
    const applied = applyBatch(batch, this.#load(batch), this.#plans, this.#judge);
    for (const statement of applied.batch.statements()) execute(this.tables, statement);
    const { outcomes, committed } = applied;
    const touched = committed.flatMap(({ runId }) => this.tables.runs.get(runId) ?? []);
    this.#onFlush({ batch, outcomes, touched });
    return { outcomes, committed };
  }

  /** Runs that have not ended. */
  openRuns(): RunTables[] {
    return [...this.tables.runs.values()].filter(({ row }) => row.finished_at === null);
  }

  /** Step runs of runs that have not ended, items included. */
  openSteps(isWanted: (row: StepRow) => boolean): StepRow[] {
    const found: StepRow[] = [];
    for (const { steps } of this.openRuns())
      for (const row of steps.values()) if (isWanted(row)) found.push(row);
    return found;
  }

  /** The version of a run. */
  versionOf(runId: string): string {
    return this.tables.runs.get(runId)?.row.workflow_version_id ?? "";
  }

  #load(batch: readonly FlushItem[]): LoadedState {
    const transitions = batch.flatMap(({ runId, work }): { runId: string; transition: Transition }[] =>
      "transition" in work ? [{ runId, transition: work.transition }] : [],
    );
    const runIds = [...new Set(transitions.map((item) => item.runId))].sort();
    const runRows = runIds.flatMap((id) => this.tables.runs.get(id)?.row ?? []);
    const [ids, steps, items] = stepKeys(transitions);
    const stepRows = ids.flatMap((id, index) => {
      const row = this.tables.runs.get(id)?.steps.get(rowKey(steps[index] as number, items[index] as number));
      return row ? [toLoaded(row, this.#loop.now)] : [];
    });
    const openRows = stoppedRuns(transitions).flatMap((id) =>
      [...(this.tables.runs.get(id)?.steps.values() ?? [])].filter(
        ({ item_index, status }) => item_index >= 0 && ["queued", "running", "waiting"].includes(status),
      ),
    );
    return toLoadedState(runRows, stepRows, this.#plans, openRows);
  }
}

/** What LOAD_STEPS selects. */
function toLoaded(row: StepRow, now: number): LoadedStepRow {
  return {
    ...row,
    wait_ms: Math.max(0, Math.ceil((row.available_at ?? now) - now)),
    is_due: row.due_at === null ? null : row.due_at <= now,
    items_error: row.items_total === null ? null : row.error,
  };
}
