import type { Knex } from "knex";
import { LOST_WORKERS_OF_SUSPECT } from "../../core/advance.js";
import { type ApplyDeps, applyAll, type KeyRow, keyOf, MOST_PER_LOOK } from "./apply-all.js";
import { WORKER_LEASE_SECONDS } from "./worker-registry.js";

/** The dependencies. */
export interface LostStepsDeps extends ApplyDeps {
  readonly knex: Knex;
}

/** The likeliest cause of a death begins so long after those that died with it: a second death then tells. */
export const APART_MS = 2000;
/** Deaths at the same time, of a whole machine say, are known once every lease of then has run out. */
export const WATCH_SECONDS = WORKER_LEASE_SECONDS;
/** How long a suspect is kept away at most: meanwhile those that were lost with it run, one by one. */
export const KEPT_AWAY_SECONDS = 40;

/**
 * Whether all workers that died within the last hour – so long are their rows kept – had the step `s`, and are as many as make
 * a suspect. One that stopped as it should has no row, and one that has come back is not dead. `atHand` is a worker that
 * the step is being lost with.
 */
const onlyItsOwnDie = (atHand: string) => `(
  SELECT count(*) = ${LOST_WORKERS_OF_SUSPECT} AND bool_and(o.id IS NOT DISTINCT FROM ${atHand} OR EXISTS (
    SELECT 1 FROM step_attempts a
    WHERE a.run_id = s.run_id AND a.step_index = s.step_index AND a.item_index = s.item_index
      AND a.worker_id = o.id AND a.error ->> 'code' = 'worker_lost'))
  FROM workers o WHERE o.lease_until < now())`;

/** Whether another step that is as much a suspect, and was lost with the same worker as `s` last, has yet to end. */
const IS_ONE_OF_MANY = `EXISTS (
  SELECT 1 FROM step_attempts n JOIN step_runs near USING (run_id, step_index, item_index)
  WHERE n.worker_id = last.worker_id AND n.error ->> 'code' = 'worker_lost'
    AND near.lost_count >= ${LOST_WORKERS_OF_SUSPECT} AND near.status IN ('queued', 'running', 'waiting')
    AND (n.run_id, n.step_index, n.item_index) <> (s.run_id, s.step_index, s.item_index))`;

interface LostRow extends KeyRow {
  readonly lease_token: string | null;
  readonly lost_count: number;
  /** 1 for the one that started last, of those lost with this worker that have lost as many before. */
  readonly from_last: number;
  readonly with_worker: number;
  readonly is_likely: boolean;
}

/**
 * Steps of workers whose lease is over go back to the queue. What kills workers mostly does so soon after it has begun, so
 * the one that started last is the likeliest cause: it comes back a little after the others. When a second worker dies
 * under it and none has died without it, it is kept away, until {@link judgeSuspects} has seen what happens meanwhile.
 */
export async function returnLostSteps(deps: LostStepsDeps): Promise<void> {
  const { knex } = deps;
  const rows: LostRow[] = await knex("step_runs as s")
    .leftJoin("workers as w", "w.id", "s.worker_id")
    .join("workflow_runs as r", "r.id", "s.run_id")
    .where("s.status", "running")
    // a forEach and a step that waits for another run are nobody's
    .whereNotNull("s.lease_token")
    .whereRaw("(w.id IS NULL OR w.lease_until < now())")
    // nobody could keep a lease while the server was away: its workers get the time of one to come back
    .whereRaw("pg_postmaster_start_time() < now() - make_interval(secs => ?)", [WORKER_LEASE_SECONDS])
    .limit(MOST_PER_LOOK)
    .select("s.run_id", "s.step_index", "s.item_index", "s.lease_token", "s.lost_count")
    .select("r.workflow_version_id")
    .select(
      knex.raw(
        `row_number() OVER (PARTITION BY s.worker_id, s.lost_count ORDER BY s.started_at DESC)::int AS from_last,
        count(*) OVER (PARTITION BY s.worker_id)::int AS with_worker,
        CASE WHEN s.lost_count = ? THEN ${onlyItsOwnDie("s.worker_id")} ELSE false END AS is_likely`,
        [LOST_WORKERS_OF_SUSPECT - 1],
      ),
    );
  await applyAll(deps, "worker_lost", rows, (row) => ({
    kind: "lose",
    ...keyOf(row),
    token: row.lease_token ?? "",
    delayMs: delayOf(row),
  }));
}

function delayOf({ lost_count, from_last, with_worker, is_likely }: LostRow): number {
  if (from_last > 1) return 0;
  if (is_likely) return KEPT_AWAY_SECONDS * 1000;
  return lost_count === 0 && with_worker > 1 ? APART_MS : 0;
}

/**
 * A suspect is the cause when no worker has died without it, neither before nor while it was kept away, and all that were
 * lost with it both times have ended meanwhile. Without a verdict it comes back and runs alone.
 */
export async function judgeSuspects(deps: LostStepsDeps): Promise<void> {
  const rows: (KeyRow & { readonly attempt: number })[] = await deps
    .knex("step_runs as s")
    .join("workflow_runs as r", "r.id", "s.run_id")
    .join("step_attempts as last", (on) =>
      on
        .on("last.run_id", "s.run_id")
        .on("last.step_index", "s.step_index")
        .on("last.item_index", "s.item_index")
        .on("last.attempt", deps.knex.raw("s.attempt - 1")),
    )
    .where({ "s.status": "queued", "s.lost_count": LOST_WORKERS_OF_SUSPECT })
    // kept away for as long as the watch, and not because a try has failed since
    .whereRaw("s.available_at > now() AND s.available_at < now() + make_interval(secs => ?)", [
      KEPT_AWAY_SECONDS - WATCH_SECONDS,
    ])
    .whereRaw("last.error ->> 'code' = 'worker_lost'")
    .whereRaw(onlyItsOwnDie("NULL"))
    .whereRaw(`NOT ${IS_ONE_OF_MANY}`)
    .limit(MOST_PER_LOOK)
    .select("s.run_id", "s.step_index", "s.item_index", "s.attempt", "r.workflow_version_id");
  const count = LOST_WORKERS_OF_SUSPECT;
  const message = `${count} workers have died while they ran the step, and no other has: it is taken for the cause`;
  await applyAll(deps, "suspect_failed", rows, ({ attempt, ...row }) => ({
    kind: "failQueued",
    ...keyOf(row),
    attempt,
    error: { code: "worker_lost", message },
  }));
}
