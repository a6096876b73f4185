import type { Knex } from "knex";
import { newId } from "../../core/ids.js";

/** A role that one process plays at a time, by the database's clock. */
export interface Leadership {
  /** Takes or keeps the role; false when another process has it. */
  claim(): Promise<boolean>;
  /** Gives the role up at once, so that a successor need not wait. */
  resign(): Promise<void>;
}

/** Leadership by a row with an expiry rather than a session lock: it works through connection poolers too. */
export function createLeadership(deps: { knex: Knex; name: string; leaseMs: number }): Leadership {
  const holder = newId();
  const { knex, name, leaseMs } = deps;
  return {
    async claim() {
      const result = await knex.raw(
        `INSERT INTO leaders (name, holder, expires_at)
         VALUES (?, ?, now() + make_interval(secs => ?))
         ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder, expires_at = EXCLUDED.expires_at
         WHERE leaders.holder = EXCLUDED.holder OR leaders.expires_at < now()
         RETURNING holder`,
        [name, holder, leaseMs / 1000],
      );
      return result.rows.length > 0;
    },
    async resign() {
      await knex("leaders").where({ name, holder }).delete();
    },
  };
}
