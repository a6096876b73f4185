import type { Knex } from "knex";
import { invalidFields } from "../../errors/app-error.js";

/** A caller's key for one start of one workflow. */
export interface IdempotencyKey {
  /** The caller: keys of different callers never meet. */
  readonly owner: string;
  readonly workflowId: string;
  readonly key: string;
  /** Hash of the request's body: the same key with another body is refused. */
  readonly bodyHash: string;
}

const LIFETIME_HOURS = 24;

/** The run that a key stands for; `isNew` when this call took the key. */
export interface ReservedRun {
  readonly runId: string;
  readonly isNew: boolean;
}

/**
 * Reserves a key for a run id before the run is created. When the process dies in between, the next call with
 * the key finds a run id without a run, and creates the run under that very id: never lost, never doubled.
 * @throws AppError INVALID_FIELDS when the key was used with another body.
 */
export async function reserveRunId(knex: Knex, key: IdempotencyKey, runId: string): Promise<ReservedRun> {
  const identity = { owner: key.owner, workflow_id: key.workflowId, key: key.key };
  await knex("idempotency_keys").where(identity).whereRaw("expires_at < now()").delete();
  const inserted = await knex("idempotency_keys")
    .insert({
      ...identity,
      body_hash: key.bodyHash,
      run_id: runId,
      expires_at: knex.raw(`now() + interval '${LIFETIME_HOURS} hours'`),
    })
    .onConflict(["owner", "workflow_id", "key"])
    .ignore()
    .returning("run_id");
  if (inserted.length > 0) return { runId, isNew: true };
  const known = await knex("idempotency_keys").first("run_id", "body_hash").where(identity);
  if (!known) return await reserveRunId(knex, key, runId);
  if (known.body_hash !== key.bodyHash) {
    throw invalidFields([{ path: "/headers/Idempotency-Key", message: "was used with another body" }]);
  }
  return { runId: known.run_id, isNew: false };
}
