import type { Knex } from "knex";
import type { ScheduleHint, ScheduleQueue } from "../../queues/schedule-queue.js";

/** What keeping the queue's job schedulers in step needs. */
export interface HintSyncDeps {
  readonly knex: Knex;
  readonly queue: ScheduleQueue;
}

/** Everything is compared at least so often, also when nothing seems to have changed. */
const COMPARE_EVERY_MS = 60_000;
/** A job scheduler whose next job is overdue by more than this makes none any more. */
const BROKEN_AFTER_MS = 10_000;

interface HintRow {
  readonly id: string;
  readonly cron: string | null;
  readonly every_seconds: number | null;
  readonly anchor_at: Date;
  readonly timezone: string;
  readonly next_due_at: Date;
}

/**
 * Makes the queue's job schedulers agree with the rows, for a leader to call every few seconds. The queue may lose
 * them at any moment. @returns a function that says how many it made or removed.
 */
export function createHintSync({ knex, queue }: HintSyncDeps): () => Promise<number> {
  let seen: { readonly state: string; readonly at: number } | undefined;
  return async () => {
    const { state, active } = await readState(knex);
    const isRecent = seen?.state === state && performance.now() - seen.at < COMPARE_EVERY_MS;
    if (isRecent && (await queue.count()) === active) return 0;
    const changed = await compare(knex, queue);
    seen = { state, at: performance.now() };
    return changed;
  };
}

const ACTIVE = "enabled AND workflow_id IS NOT NULL AND next_due_at IS NOT NULL";

async function readState(knex: Knex): Promise<{ state: string; active: number }> {
  const { rows } = await knex.raw<{ rows: [{ active: number; revisions: number; newest: Date | null }] }>(
    `SELECT count(*)::int AS active, coalesce(sum(revision), 0)::float8 AS revisions, max(updated_at) AS newest
     FROM schedules WHERE ${ACTIVE}`,
  );
  const { active, revisions, newest } = rows[0];
  return { state: `${active} ${revisions} ${newest?.toISOString()}`, active };
}

async function compare(knex: Knex, queue: ScheduleQueue): Promise<number> {
  const known = new Map((await queue.list()).map((hint) => [hint.scheduleId, hint]));
  const rows: HintRow[] = await knex("schedules")
    .select("id", "cron", "every_seconds", "anchor_at", "timezone", "next_due_at")
    .whereRaw(ACTIVE);
  const work: (() => Promise<void>)[] = [];
  for (const row of rows) {
    const hint = toHint(row);
    const present = known.get(row.id);
    known.delete(row.id);
    if (present?.fingerprint === hint.fingerprint && present.overdueMs < BROKEN_AFTER_MS) continue;
    work.push(async () => await queue.put(hint));
  }
  for (const scheduleId of known.keys()) work.push(async () => await queue.remove(scheduleId));
  return await doAll(work);
}

/** Tries everything: one that the queue refuses must not stand before all others. */
async function doAll(work: readonly (() => Promise<void>)[]): Promise<number> {
  const errors: unknown[] = [];
  for (const one of work) await one().catch((error: unknown) => errors.push(error));
  if (errors.length > 0) throw new Error(`${errors.length} job schedulers not made`, { cause: errors[0] });
  return work.length;
}

function toHint(row: HintRow): ScheduleHint {
  const { id: scheduleId, cron, timezone } = row;
  if (cron !== null)
    return { scheduleId, timing: { cron, timezone }, fingerprint: `cron ${cron} ${timezone}` };
  const everySeconds = row.every_seconds ?? 1;
  return {
    scheduleId,
    timing: { everySeconds, nextDueAt: row.next_due_at },
    fingerprint: `every ${everySeconds} from ${row.anchor_at.toISOString()}`,
  };
}
