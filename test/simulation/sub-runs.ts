import { isRunTerminal } from "../../src/core/statuses.js";
import type { CommittedRun } from "../../src/services/engine/apply-batch.js";
import { followOutcome } from "./follow-outcome.js";
import type { SimProcess } from "./process.js";
import { type RunRow, rowKey, type StepRow } from "./tables.js";
import type { Task } from "./task.js";

/** As `sub-runs.ts` does on every commit: carries a run's end to its caller, and a caller's end to its runs. */
export function followSubRuns(process: SimProcess, run: CommittedRun): Task<void> | undefined {
  const isReturning = run.parent !== undefined && isRunTerminal(run.status);
  const isOver = run.isStopped || isRunTerminal(run.status);
  const mayCall = isOver && run.plan.steps.some((step) => step.target.kind === "workflow");
  if (!isReturning && !mayCall) return undefined;
  return follow(process, run.runId, { isReturning, mayCall });
}

function* follow(
  process: SimProcess,
  runId: string,
  { isReturning, mayCall }: { isReturning: boolean; mayCall: boolean },
): Task<void> {
  if (isReturning && process.world.does("carryEnds"))
    for (const { step, child } of selectEnded(process))
      if (child.id === runId) yield* returnTo(process, step, child);
  if (!mayCall || !process.world.does("stopOrphans")) return;
  const children = process.world.database
    .openRuns()
    .filter(({ row }) => row.parent_run_id === runId && row.ending === null);
  for (const { row } of children) yield* cancelRun(process, row);
}

/** As `mend` does: ends that were not carried on, and runs whose caller does not wait for them any more. */
export function* mendSubRuns(process: SimProcess): Task<void> {
  if (process.world.does("carryEnds"))
    for (const { step, child } of selectEnded(process)) yield* returnTo(process, step, child);
  if (!process.world.does("stopOrphans")) return;
  for (const { row } of process.world.database.openRuns())
    if (row.ending === null && isOrphan(process, row)) yield* cancelRun(process, row);
}

function selectEnded(process: SimProcess): { step: StepRow; child: RunRow }[] {
  const { database } = process.world;
  const steps = database.openSteps((row) => row.status === "running" && row.child_run_id !== null);
  return steps.flatMap((step) => {
    const child = database.tables.runs.get(step.child_run_id ?? "")?.row;
    return child && child.finished_at !== null ? [{ step, child }] : [];
  });
}

function isOrphan(process: SimProcess, child: RunRow): boolean {
  const { parent_run_id, parent_step_index, parent_item_index } = child;
  const parent = process.world.database.tables.runs.get(parent_run_id ?? "");
  const step = parent?.steps.get(rowKey(parent_step_index ?? 0, parent_item_index ?? -1));
  return step !== undefined && (step.child_run_id !== child.id || step.status !== "running");
}

function* returnTo(process: SimProcess, step: StepRow, child: RunRow): Task<void> {
  const { step_index: stepIndex, item_index: itemIndex, run_id: runId } = step;
  const { id: childRunId, status, output, error } = child;
  const back = { kind: "return", stepIndex, itemIndex, childRunId, status, output, error } as const;
  yield* followOutcome(process, runId, yield* process.apply(runId, back));
}

function* cancelRun(process: SimProcess, { id }: RunRow): Task<void> {
  const reason = "The step that started the run has ended";
  yield* process.apply(id, { kind: "cancel", reason, ifEnding: null });
}
