import type { Knex } from "knex";
import { ScheduleModel } from "../../models/schedule-model.js";

/** A schedule under this process's lease, and the database's time when it was taken. */
export interface ClaimedSchedule {
  readonly schedule: ScheduleModel;
  readonly now: Date;
}

/** How far a firing has come. */
export interface FiringProgress {
  readonly nextDueAt: Date | null;
  readonly waitingDueAt: Date | null;
  readonly lastRunId?: string;
  readonly lastSkippedAt?: Date;
  readonly lastSkippedReason?: string;
}

/** Longer than a chunk of firings takes; a successor of a process that died waits for so long. */
const LEASE_SECONDS = 10;
const RETRY_SECONDS = 2;

const IS_FREE = "enabled AND workflow_id IS NOT NULL AND (lease_until IS NULL OR lease_until < now())";
const NO_LIVE_RUN = `NOT EXISTS (SELECT 1 FROM workflow_runs AS run
  WHERE run.schedule_id = schedules.id AND run.finished_at IS NULL)`;
/** Two indexes, one for each reason to look at a schedule. */
const CANDIDATES = `SELECT id FROM schedules WHERE next_due_at <= now()
  UNION ALL SELECT id FROM schedules WHERE waiting_due_at IS NOT NULL AND ${NO_LIVE_RUN}`;

/** Takes one schedule, if it is due and nobody else has it. */
export async function claimSchedule(
  knex: Knex,
  token: string,
  id: string,
): Promise<ClaimedSchedule | undefined> {
  const [claimed] = await claim(
    knex,
    `id = :id AND ${IS_FREE} AND (next_due_at <= now() OR (waiting_due_at IS NOT NULL AND ${NO_LIVE_RUN}))`,
    { token, id },
  );
  return claimed;
}

/** Takes up to `most` schedules that are due, longest due first, and that nobody else has. */
export async function claimSchedules(knex: Knex, token: string, most: number): Promise<ClaimedSchedule[]> {
  const chosen = `SELECT id FROM schedules WHERE id IN (${CANDIDATES}) AND ${IS_FREE}
    ORDER BY next_due_at, id LIMIT :most FOR UPDATE SKIP LOCKED`;
  return await claim(knex, `id IN (${chosen})`, { token, most });
}

async function claim(
  knex: Knex,
  condition: string,
  bindings: Record<string, string | number>,
): Promise<ClaimedSchedule[]> {
  const { rows } = await knex.raw<{ rows: (Record<string, unknown> & { claimed_at: Date })[] }>(
    `UPDATE schedules SET lease_token = :token, lease_until = now() + interval '${LEASE_SECONDS} seconds'
     WHERE ${condition} RETURNING *, now() AS claimed_at`,
    bindings,
  );
  return rows.map(({ claimed_at: now, ...row }) => ({
    schedule: ScheduleModel.fromDatabaseJson(row as object) as ScheduleModel,
    now,
  }));
}

/** Milliseconds until a schedule is due, negative when it is; undefined when it is not to be fired. */
export async function readMsUntilDue(knex: Knex, id: string): Promise<number | undefined> {
  const { rows } = await knex.raw<{ rows: { ms: number | null }[] }>(
    `SELECT ceil(extract(epoch FROM next_due_at - clock_timestamp()) * 1000)::float8 AS ms
     FROM schedules WHERE id = ? AND ${IS_FREE}`,
    [id],
  );
  return rows[0]?.ms ?? undefined;
}

/** Whether a run of the schedule goes on, other than that of the due time itself. */
export async function hasLiveRun(knex: Knex, id: string, dueAt: Date): Promise<boolean> {
  const live = await knex("workflow_runs")
    .first("id")
    .where("schedule_id", id)
    .whereNull("finished_at")
    .whereRaw("scheduled_for IS DISTINCT FROM ?", [dueAt.toISOString()]);
  return live !== undefined;
}

/**
 * Writes down how far a firing has come, and prolongs the lease or gives it up. What was done is kept even when the
 * lease is lost, since a run was started; what is due next is then somebody else's to say.
 * @returns whether the lease was still ours.
 */
export async function saveProgress(
  knex: Knex,
  id: string,
  token: string,
  progress: FiringProgress,
  isDone: boolean,
): Promise<boolean> {
  const { nextDueAt, waitingDueAt } = progress;
  const owned = await knex("schedules")
    .where({ id, lease_token: token })
    .update({
      ...toOutcome(knex, progress),
      next_due_at: nextDueAt,
      waiting_due_at: waitingDueAt,
      lease_token: isDone ? null : token,
      lease_until: isDone ? null : knex.raw(`now() + interval '${LEASE_SECONDS} seconds'`),
    });
  if (owned > 0) return true;
  const outcome = toOutcome(knex, progress);
  if (Object.keys(outcome).length > 0) await knex("schedules").where({ id }).update(outcome);
  return false;
}

/** After a failure: keeps what was done, and keeps others off for a moment. */
export async function postponeClaim(
  knex: Knex,
  id: string,
  token: string,
  progress: FiringProgress,
): Promise<void> {
  const { nextDueAt, waitingDueAt } = progress;
  await knex("schedules")
    .where({ id, lease_token: token })
    .update({
      ...toOutcome(knex, progress),
      next_due_at: nextDueAt,
      waiting_due_at: waitingDueAt,
      lease_until: knex.raw(`now() + interval '${RETRY_SECONDS} seconds'`),
    });
}

function toOutcome(knex: Knex, { lastRunId, lastSkippedAt, lastSkippedReason }: FiringProgress) {
  return {
    ...(lastRunId === undefined ? {} : { last_run_id: lastRunId, last_run_at: knex.raw("now()") }),
    ...(lastSkippedAt === undefined
      ? {}
      : { last_skipped_at: lastSkippedAt, last_skipped_reason: lastSkippedReason ?? null }),
  };
}
