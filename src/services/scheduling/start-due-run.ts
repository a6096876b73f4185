import type { Knex } from "knex";
import { systemActor } from "../../core/actor.js";
import type { ScheduleModel } from "../../models/schedule-model.js";
import type { RunCommands, StartRun } from "../runs/run-commands.js";

/** The dependencies of whoever starts runs for due times. */
export interface DueRunDeps {
  readonly knex: Knex;
  readonly commands: Pick<RunCommands, "start">;
}

/** What a run is started from. */
export type RunSource = Pick<ScheduleModel, "id" | "name" | "workflowId" | "input">;

/**
 * Starts the run of one due time, or finds the one that the same due time has started. The key is the due time's own,
 * whoever fires it: the hint of the queue, the sweep, a successor after a crash, or a backfill.
 * @throws AppError as {@link RunCommands.start}.
 */
export async function startDueRun(
  deps: DueRunDeps,
  schedule: RunSource,
  dueAt: Date,
  askedBy?: StartRun["askedBy"],
): Promise<string> {
  const { id, name, workflowId, input } = schedule;
  const { runId } = await deps.commands.start(
    {
      workflow: workflowId ?? "",
      input,
      trigger: "schedule",
      schedule: { id, dueAt },
      idempotencyKey: `${id} ${dueAt.toISOString()}`,
      // a schedule that was changed between a crash and the second try must still find its first run
      bodyHash: "schedule",
      askedBy,
    },
    systemActor(`schedule ${name}`),
    { requestId: `schedule ${id}`, address: null },
  );
  return runId;
}

/** The runs that due times of a schedule have, by the due time in milliseconds. */
export async function findDueRuns(
  knex: Knex,
  scheduleId: string,
  dueTimes: readonly Date[],
): Promise<Map<number, string>> {
  if (dueTimes.length === 0) return new Map();
  const rows: { id: string; scheduled_for: Date }[] = await knex("workflow_runs")
    .select("id", "scheduled_for")
    .where("schedule_id", scheduleId)
    .whereIn(
      "scheduled_for",
      dueTimes.map((dueAt) => dueAt.toISOString()),
    );
  return new Map(rows.map((row) => [row.scheduled_for.getTime(), row.id]));
}
