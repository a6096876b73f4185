import type { StartRun } from "../runs/run-commands.js";
import { type BackfillAnswer, type BackfillBody, MOST_FIRINGS } from "../../contracts/api/schedules.js";
import { newestDueTimes } from "../../core/due-times.js";
import { conflict, invalidFields } from "../../errors/app-error.js";
import { type ScheduleModel, timingOf } from "../../models/schedule-model.js";
import { readNow } from "./schedule-queries.js";
import { type DueRunDeps, findDueRuns, startDueRun } from "./start-due-run.js";

/** Runs started at the same time: they share the engine's commits. */
const AT_ONCE = 20;

/**
 * Starts a run for each due time of a past span that has none yet, oldest first, at most a thousand. Neither overlap
 * nor pausing holds them back. Asking again after a failure starts only what is missing.
 * @throws AppError INVALID_FIELDS for a span in the future or with too many due times, or when the input no longer
 * fits the workflow; CONFLICT when the workflow is gone or has nothing to run.
 */
export async function backfillSchedule(
  deps: DueRunDeps,
  schedule: ScheduleModel,
  { from, to }: BackfillBody,
  by: StartRun["askedBy"],
): Promise<BackfillAnswer> {
  if (schedule.workflowId === null) throw conflict("The workflow of this schedule was deleted");
  const until = new Date(to);
  if (until > (await readNow(deps.knex))) {
    throw invalidFields([{ path: "/to", message: "must not be in the future" }]);
  }
  const after = new Date(new Date(from).getTime() - 1);
  const { times, hasMore } = newestDueTimes(timingOf(schedule), after, until, MOST_FIRINGS);
  if (hasMore) {
    const message = `the span has more than ${MOST_FIRINGS} due times: backfill it in parts`;
    throw invalidFields([{ path: "/from", message }]);
  }
  const known = await findDueRuns(deps.knex, schedule.id, times);
  const runIds: string[] = [];
  for (let start = 0; start < times.length; start += AT_ONCE) {
    const part = times.slice(start, start + AT_ONCE);
    runIds.push(
      ...(await Promise.all(
        part.map(
          async (dueAt) => known.get(dueAt.getTime()) ?? (await startDueRun(deps, schedule, dueAt, by)),
        ),
      )),
    );
  }
  return { count: times.length - known.size, alreadyRun: known.size, runIds };
}
