import type { Knex } from "knex";

/**
 * Step runs by their own id. Ids are UUIDv7 and rows come in the order of their making, so a block range index finds
 * one among millions, and costs the engine's hot table next to nothing when a row is written.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE INDEX step_runs_id_idx ON step_runs USING brin (id uuid_minmax_ops)
      WITH (pages_per_range = 32, autosummarize = on)
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("DROP INDEX step_runs_id_idx");
}
