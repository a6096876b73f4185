import type { Schedule, ScheduleSummary } from "../../contracts/api/schedules.js";
import { nextDueTimes } from "../../core/due-times.js";
import type { Db } from "../../models/repository.js";
import { type ScheduleModel, timingOf } from "../../models/schedule-model.js";
import { WorkflowDefinitionModel } from "../../models/workflow-definition-model.js";

const SHOWN_DUE_TIMES = 5;

/** Schedules as lists show them, with the present names of their workflows. */
export async function presentSchedules(db: Db, rows: readonly ScheduleModel[]): Promise<ScheduleSummary[]> {
  const ids = [...new Set(rows.flatMap(({ workflowId }) => workflowId ?? []))];
  const named =
    ids.length === 0 ? [] : await WorkflowDefinitionModel.query(db).select("id", "name").whereIn("id", ids);
  const nameById = new Map(named.map(({ id, name }) => [id, name]));
  return rows.map((row) => presentSummary(row, nameById.get(row.workflowId ?? "") ?? null));
}

/** One schedule with its next due times. */
export async function presentSchedule(db: Db, row: ScheduleModel): Promise<Schedule> {
  const [summary] = await presentSchedules(db, [row]);
  return { ...(summary ?? presentSummary(row, null)), nextRuns: findNextRuns(row) };
}

function presentSummary(row: ScheduleModel, workflow: string | null): ScheduleSummary {
  return {
    id: row.id,
    name: row.name,
    workflow,
    workflowId: row.workflowId,
    cron: row.cron,
    everySeconds: row.everySeconds,
    timezone: row.timezone,
    input: row.input,
    enabled: row.enabled,
    overlap: row.overlap,
    catchUp: row.catchUp,
    nextRunAt: nextDueAt(row)?.toISOString() ?? null,
    waitingDueAt: row.waitingDueAt?.toISOString() ?? null,
    lastRunId: row.lastRunId,
    lastRunAt: row.lastRunAt?.toISOString() ?? null,
    lastSkippedAt: row.lastSkippedAt?.toISOString() ?? null,
    lastSkippedReason: row.lastSkippedReason,
    revision: row.revision,
    createdBy: row.createdBy,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

function findNextRuns(row: ScheduleModel): string[] {
  const first = nextDueAt(row);
  if (first === null) return [];
  const following = nextDueTimes(timingOf(row), first, SHOWN_DUE_TIMES - 1);
  return [first, ...following].map((time) => time.toISOString());
}

function nextDueAt(row: ScheduleModel): Date | null {
  return row.enabled && row.workflowId !== null ? row.nextDueAt : null;
}
