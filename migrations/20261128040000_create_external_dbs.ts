import type { Knex } from "knex";

/** External databases that workflows query. Passwords and keys are ciphertext. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE external_db_configs (
      id uuid PRIMARY KEY,
      name text NOT NULL UNIQUE,
      db_type text NOT NULL CHECK (db_type IN ('postgresql', 'bigquery', 'mysql', 'sqlite', 'duckdb')),
      -- what the type takes, without its secrets
      config jsonb NOT NULL,
      -- which secrets there are: their names alone
      secret_names text[] NOT NULL DEFAULT '{}',
      secret_key_id text,
      secret_ciphertext bytea,
      -- the last scan of what is in it
      scanned_schema jsonb,
      scanned_at timestamptz,
      revision integer NOT NULL DEFAULT 1,
      created_by uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CHECK ((secret_key_id IS NULL) = (secret_ciphertext IS NULL))
    )
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("DROP TABLE external_db_configs");
}
