import type { Knex } from "knex";
import { SEALED_COLUMNS } from "./sealed-columns.js";

/** How long writers that are at it are waited for. */
const LOCK_LIMIT = "10s";

/**
 * Lets the database refuse whatever is encrypted with these keys from now on: once it returns, no process can store
 * anything with them, also one that was not restarted since. What is there stays; rotate it before they are forgotten.
 */
export async function retireKeys(knex: Knex, keyIds: readonly string[]): Promise<void> {
  if (keyIds.length === 0) return;
  await knex.transaction(async (trx) => {
    await trx.raw(`SET LOCAL lock_timeout = '${LOCK_LIMIT}'`);
    // a change that has begun could else be committed after the last look for such rows
    const tables = SEALED_COLUMNS.map(({ table }) => table).join(", ");
    await trx.raw(`LOCK TABLE ${tables} IN SHARE ROW EXCLUSIVE MODE`);
    await trx("retired_keys")
      .insert(keyIds.map((key_id) => ({ key_id })))
      .onConflict()
      .ignore();
  });
}
