import type { Transition } from "../../core/transition.js";
import type { Metrics } from "../../observability/metrics.js";
import type { Engine } from "./engine.js";
import type { OutcomeFollower } from "./follow-outcome.js";

/** Most rows that one look takes on of each kind, so that a large backlog cannot starve the rest. */
export const MOST_PER_LOOK = 500;

/** What a row names: a run, and perhaps one of its steps. */
export interface KeyRow {
  readonly run_id: string;
  readonly workflow_version_id: string;
  readonly step_index?: number;
  readonly item_index?: number;
}

/** What applying takes. */
export interface ApplyDeps {
  readonly engine: Engine;
  readonly followOutcome: OutcomeFollower;
  readonly metrics: Metrics;
}

/** A row's step, as transitions name it. */
export function keyOf(row: KeyRow): { stepIndex: number; itemIndex: number } {
  return { stepIndex: row.step_index ?? 0, itemIndex: row.item_index ?? -1 };
}

/** Applies a transition to each row, and follows what comes of it. `kind` is what the count of them is called. */
export async function applyAll<Row extends KeyRow>(
  { engine, followOutcome, metrics }: ApplyDeps,
  kind: string,
  rows: readonly Row[],
  toTransition: (row: Row) => Transition,
): Promise<void> {
  await Promise.all(
    rows.map(async (row) => {
      const outcome = await engine.commit.apply(row.run_id, row.workflow_version_id, toTransition(row));
      if (!outcome.refusal) metrics.reconciledTotal.inc({ kind });
      await followOutcome(row.run_id, row.workflow_version_id, outcome);
    }),
  );
}
