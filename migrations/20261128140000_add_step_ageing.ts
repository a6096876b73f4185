import type { Knex } from "knex";

/** When a step that had waited for long was last moved forward on its queue. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw("ALTER TABLE step_runs ADD COLUMN aged_at timestamptz");
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("ALTER TABLE step_runs DROP COLUMN aged_at");
}
