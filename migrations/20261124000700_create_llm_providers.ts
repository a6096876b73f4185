import type { Knex } from "knex";

/** Servers that answer LLM prompts. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE llm_providers (
      id uuid PRIMARY KEY,
      name text NOT NULL UNIQUE,
      description text NOT NULL DEFAULT '',
      base_url text NOT NULL,
      -- both null where the server asks for no key
      key_id text,
      ciphertext bytea,
      -- [{ name, inputUsdPerMillion?, outputUsdPerMillion? }]
      models jsonb NOT NULL DEFAULT '[]',
      is_default boolean NOT NULL DEFAULT false,
      revision integer NOT NULL DEFAULT 1,
      created_by uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CHECK ((key_id IS NULL) = (ciphertext IS NULL))
    );
    -- at most one default
    CREATE UNIQUE INDEX llm_providers_default_idx ON llm_providers (is_default) WHERE is_default;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("DROP TABLE llm_providers");
}
