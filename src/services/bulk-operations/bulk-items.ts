import type { Knex } from "knex";
import type { BulkAction } from "../../contracts/api/bulk-operations.js";
import type { Actor, RequestOrigin } from "../../core/actor.js";
import { newId } from "../../core/ids.js";

/** An operation that has not ended. */
export interface OpenOperation {
  readonly id: string;
  readonly action: BulkAction;
  readonly rerun_from: string | null;
  readonly rate_per_second: number;
  readonly actor: Actor;
  readonly origin: RequestOrigin;
}

/** A run that is to be worked on now, and by nobody else for a while. */
export interface TakenItem {
  readonly position: number;
  readonly run_id: string;
  /** The id that its rerun gets; kept when the item is taken again. */
  readonly new_run_id: string;
  /** Counts this time. */
  readonly attempts: number;
}

/** How an item ended. */
export interface ItemOutcome {
  readonly position: number;
  readonly runId: string;
  readonly newRunId: string | null;
  readonly status: "succeeded" | "failed" | "skipped";
  /** Why it failed. */
  readonly message?: string;
}

/** Operations worked on side by side; later ones wait for these. */
const MOST_OPEN = 10;
/** Items taken at once make a burst of at most a quarter of a second's worth. */
const TAKES_PER_SECOND = 4;
/** A process that took items and died loses them after this. */
const CLAIM_SECONDS = 60;
const RETRY_SECONDS = 5;
const MOST_ERRORS = 20;

/** Operations that have not ended, oldest first. */
export async function findOpenOperations(knex: Knex): Promise<OpenOperation[]> {
  return await knex("bulk_operations")
    .select("id", "action", "rerun_from", "rate_per_second", "actor", "origin")
    .whereNull("finished_at")
    .orderBy("id")
    .limit(MOST_OPEN);
}

/**
 * Takes the items whose turn it is: as many as the rate allows by the database's clock, whichever process asks.
 * None when it is too early, the operation has been stopped, or all are taken.
 */
export async function takeItems(knex: Knex, operation: OpenOperation): Promise<TakenItem[]> {
  const { id, rate_per_second: rate } = operation;
  const count = Math.max(1, Math.ceil(rate / TAKES_PER_SECOND));
  return await knex.transaction(async (trx) => {
    const { rowCount } = await trx.raw(
      `UPDATE bulk_operations
       SET status = 'running', started_at = coalesce(started_at, now()),
         next_at = now() + make_interval(secs => ?::double precision / rate_per_second)
       WHERE id = ? AND finished_at IS NULL AND next_at <= now()`,
      [count, id],
    );
    if (rowCount === 0) return [];
    const { rows } = await trx.raw<{ rows: TakenItem[] }>(
      `WITH due AS (
         SELECT position FROM bulk_operation_items
         WHERE operation_id = :id
           AND (status = 'pending' OR (status = 'working' AND claimed_until < now()))
         ORDER BY position LIMIT :count FOR UPDATE SKIP LOCKED
       ), numbered AS (
         SELECT position, row_number() OVER (ORDER BY position) AS number FROM due
       )
       UPDATE bulk_operation_items item
       SET status = 'working', attempts = attempts + 1,
         claimed_until = now() + interval '${CLAIM_SECONDS} seconds',
         new_run_id = coalesce(new_run_id, (:ids::uuid[])[numbered.number])
       FROM numbered WHERE item.operation_id = :id AND item.position = numbered.position
       RETURNING item.position, item.run_id, item.new_run_id, item.attempts`,
      { id, count, ids: Array.from({ length: count }, newId) },
    );
    return rows;
  });
}

/** Writes down how items ended, and counts them: each once, however often it is reported. */
export async function endItems(
  knex: Knex,
  operationId: string,
  outcomes: readonly ItemOutcome[],
): Promise<void> {
  if (outcomes.length === 0) return;
  const errors = outcomes
    .filter(({ status }) => status === "failed")
    .map(({ runId, message }) => ({ runId, message: message ?? "" }));
  await knex.raw(
    `WITH ended AS (
       UPDATE bulk_operation_items item
       SET status = outcome.status, new_run_id = outcome.new_run_id, claimed_until = NULL
       FROM unnest(:positions::int[], :statuses::text[], :newRunIds::uuid[]) AS outcome (position, status, new_run_id)
       WHERE item.operation_id = :operationId AND item.position = outcome.position AND item.status = 'working'
       RETURNING item.status
     )
     UPDATE bulk_operations SET
       succeeded = succeeded + (SELECT count(*) FROM ended WHERE status = 'succeeded'),
       failed = failed + (SELECT count(*) FROM ended WHERE status = 'failed'),
       skipped = skipped + (SELECT count(*) FROM ended WHERE status = 'skipped'),
       errors = (
         SELECT coalesce(jsonb_agg(error ORDER BY place), '[]')
         FROM jsonb_array_elements(errors || :errors::jsonb) WITH ORDINALITY AS listed (error, place)
         WHERE place <= ${MOST_ERRORS}
       )
     WHERE id = :operationId`,
    {
      operationId,
      positions: outcomes.map(({ position }) => position),
      statuses: outcomes.map(({ status }) => status),
      newRunIds: outcomes.map(({ newRunId }) => newRunId),
      errors: JSON.stringify(errors),
    },
  );
}

/** Lets items be taken again soon: a fault of ours came between. */
export async function giveBackItems(
  knex: Knex,
  operationId: string,
  positions: readonly number[],
): Promise<void> {
  if (positions.length === 0) return;
  await knex.raw(
    `UPDATE bulk_operation_items SET claimed_until = now() + interval '${RETRY_SECONDS} seconds'
     WHERE operation_id = ? AND position = ANY (?::int[]) AND status = 'working'`,
    [operationId, [...positions]],
  );
}

/** Ends an operation whose items have all ended. */
export async function endOperation(knex: Knex, operationId: string): Promise<void> {
  await knex.raw(
    `UPDATE bulk_operations
     SET status = CASE WHEN failed > 0 THEN 'failed' ELSE 'succeeded' END,
       started_at = coalesce(started_at, now()), finished_at = now()
     WHERE id = :operationId AND finished_at IS NULL AND NOT EXISTS (
       SELECT 1 FROM bulk_operation_items
       WHERE operation_id = :operationId AND status IN ('pending', 'working'))`,
    { operationId },
  );
}
