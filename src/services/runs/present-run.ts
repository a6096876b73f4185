import type { LlmUsage } from "../../contracts/api/llm-budgets.js";
import type { Run, RunSummary, StepCounts } from "../../contracts/api/runs.js";
import type { JsonValue } from "../../core/json.js";
import { STEP_STATUSES, type RunError, type RunStatus, type RunTrigger } from "../../core/statuses.js";
import { type StateLetter, statusOf } from "../../core/step-states.js";

/** The columns that a run in a list is presented from. */
export const RUN_SUMMARY_COLUMNS = [
  "id",
  "workflow_id",
  "workflow_name",
  "workflow_version",
  "status",
  "trigger",
  "error",
  "created_at",
  "started_at",
  "finished_at",
  "step_states",
  "labels",
  "priority",
  "created_by",
  "created_by_name",
  "parent_run_id",
  "replay_of",
  "is_pinned",
] as const;

/** A row with {@link RUN_SUMMARY_COLUMNS}. */
export interface RunSummaryRow {
  readonly id: string;
  readonly workflow_id: string | null;
  readonly workflow_name: string;
  readonly workflow_version: number;
  readonly status: RunStatus;
  readonly trigger: RunTrigger;
  readonly error: RunError | null;
  readonly created_at: Date;
  readonly started_at: Date | null;
  readonly finished_at: Date | null;
  readonly step_states: string;
  readonly labels: Record<string, string>;
  readonly priority: number;
  readonly created_by: string | null;
  readonly created_by_name: string;
  readonly parent_run_id: string | null;
  readonly replay_of: string | null;
  readonly is_pinned: boolean;
}

/** A run's output as it is shown: in place, or by name when it is too large. */
export interface ShownOutput {
  readonly output: JsonValue;
  readonly outputArtifact?: { readonly id: string; readonly sizeBytes: number };
}

/** One run of a list. */
export function presentRunSummary(row: RunSummaryRow): RunSummary {
  return {
    id: row.id,
    workflow: { id: row.workflow_id, name: row.workflow_name, version: row.workflow_version },
    status: row.status,
    trigger: row.trigger,
    error: row.error,
    createdAt: row.created_at.toISOString(),
    startedAt: toInstant(row.started_at),
    finishedAt: toInstant(row.finished_at),
    durationMs: toDurationMs(row.started_at, row.finished_at),
    stepCounts: countSteps(row.step_states),
    labels: row.labels,
    priority: row.priority,
    createdBy: { id: row.created_by, name: row.created_by_name },
    ...(row.parent_run_id === null ? {} : { parentRunId: row.parent_run_id }),
    ...(row.replay_of === null ? {} : { replayOf: row.replay_of }),
    isPinned: row.is_pinned,
  };
}

/** One run with its input and output. */
export function presentRun(
  row: RunSummaryRow & { readonly input: JsonValue },
  shown: ShownOutput,
  usage: LlmUsage | undefined,
): Run {
  return { ...presentRunSummary(row), input: row.input, ...shown, ...(usage && { usage }) };
}

/** How many steps are in each status, from the run's own row: a list of runs reads no step. */
function countSteps(stepStates: string): StepCounts {
  const counts = Object.fromEntries(STEP_STATUSES.map((status) => [status, 0])) as Omit<StepCounts, "total">;
  for (const letter of stepStates) counts[statusOf(letter as StateLetter)] += 1;
  return { total: stepStates.length, ...counts };
}

/** A moment of a row as the API writes it. */
export function toInstant(at: Date | null): string | null {
  return at === null ? null : at.toISOString();
}

/** Milliseconds from start to end; null while one is missing. */
export function toDurationMs(startedAt: Date | null, finishedAt: Date | null): number | null {
  return startedAt === null || finishedAt === null
    ? null
    : Math.max(0, finishedAt.getTime() - startedAt.getTime());
}
