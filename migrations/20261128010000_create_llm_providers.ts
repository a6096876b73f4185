import type { Knex } from "knex";

/** Providers of language models, what was spent with them, and the budgets that bound it. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE llm_providers (
      id uuid PRIMARY KEY,
      name text NOT NULL UNIQUE,
      base_url text NOT NULL,
      -- the key and the extra headers, as one JSON text; both null when there are none
      credentials_key_id text,
      credentials_ciphertext bytea,
      has_api_key boolean NOT NULL,
      header_names text[] NOT NULL DEFAULT '{}',
      -- [{ name, inputPricePerMillion, outputPricePerMillion }]
      models jsonb NOT NULL DEFAULT '[]',
      is_default boolean NOT NULL DEFAULT false,
      revision integer NOT NULL DEFAULT 1,
      created_by uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CHECK ((credentials_key_id IS NULL) = (credentials_ciphertext IS NULL))
    );
    CREATE UNIQUE INDEX llm_providers_default_idx ON llm_providers (is_default) WHERE is_default;

    CREATE TABLE llm_budgets (
      id uuid PRIMARY KEY,
      name text NOT NULL UNIQUE,
      -- whose spending is summed: each run's, each workflow's, each provider's, or everybody's
      scope text NOT NULL CHECK (scope IN ('run', 'workflow', 'provider', 'day')),
      -- the span that it is summed over, by UTC
      period text NOT NULL CHECK (period IN ('total', 'month', 'day')),
      -- null: every workflow, every provider
      workflow_id uuid REFERENCES workflow_definitions (id) ON DELETE CASCADE,
      provider text,
      max_cost numeric(18, 8),
      max_tokens bigint,
      action text NOT NULL CHECK (action IN ('stop', 'approve')),
      enabled boolean NOT NULL DEFAULT true,
      revision integer NOT NULL DEFAULT 1,
      created_by uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CHECK (max_cost IS NOT NULL OR max_tokens IS NOT NULL)
    );

    -- one row for each call: written with an estimate before it, and with what it really took after it
    CREATE TABLE llm_usage (
      id uuid PRIMARY KEY,
      at timestamptz NOT NULL DEFAULT now(),
      run_id uuid NOT NULL,
      workflow_id uuid,
      workflow_name text NOT NULL,
      step_id text NOT NULL,
      item_index integer NOT NULL DEFAULT -1,
      attempt integer NOT NULL,
      provider text NOT NULL,
      model text NOT NULL,
      input_tokens bigint NOT NULL,
      output_tokens bigint NOT NULL,
      cost numeric(18, 8) NOT NULL,
      -- false: the call is under way, or its worker died; the estimate stands for it
      is_settled boolean NOT NULL
    );
    CREATE INDEX llm_usage_run_idx ON llm_usage (run_id);
    CREATE INDEX llm_usage_workflow_idx ON llm_usage (workflow_id, at);
    CREATE INDEX llm_usage_at_idx ON llm_usage (at);
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("DROP TABLE llm_usage, llm_budgets, llm_providers");
}
