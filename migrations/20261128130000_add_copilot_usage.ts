import type { Knex } from "knex";

/** Calls to models that no run makes: the copilot's, each for a person. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE llm_usage
      ALTER COLUMN run_id DROP NOT NULL,
      ALTER COLUMN step_id DROP NOT NULL,
      ALTER COLUMN attempt DROP NOT NULL,
      -- 'run' or the name of a call of the copilot
      ADD COLUMN purpose text NOT NULL DEFAULT 'run',
      ADD COLUMN user_id uuid,
      ADD CONSTRAINT llm_usage_purpose_check CHECK ((purpose = 'run') = (run_id IS NOT NULL));
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    DELETE FROM llm_usage WHERE run_id IS NULL;
    ALTER TABLE llm_usage
      DROP CONSTRAINT llm_usage_purpose_check,
      DROP COLUMN user_id,
      DROP COLUMN purpose,
      ALTER COLUMN attempt SET NOT NULL,
      ALTER COLUMN step_id SET NOT NULL,
      ALTER COLUMN run_id SET NOT NULL;
  `);
}
