import type { Knex } from "knex";

/** Results of steps that stand in for running them again. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE step_cache (
      -- SHA-256, hexadecimal, of what makes two executions the same (src/services/step-cache)
      key text PRIMARY KEY,
      output jsonb NOT NULL,
      from_run_id uuid NOT NULL,
      workflow_id uuid,
      mcp_version_id uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL
    );
    CREATE INDEX step_cache_expires_idx ON step_cache (expires_at);
    CREATE INDEX step_cache_from_run_idx ON step_cache (from_run_id);
    CREATE INDEX step_cache_workflow_idx ON step_cache (workflow_id);
    CREATE INDEX step_cache_mcp_version_idx ON step_cache (mcp_version_id);
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("DROP TABLE step_cache");
}
