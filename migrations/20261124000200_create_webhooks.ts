import type { Knex } from "knex";

/** Webhooks, and a small log of what was delivered to each. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE webhooks (
      id uuid PRIMARY KEY,
      name text NOT NULL UNIQUE,
      -- a digest of the token in the path of POST /hooks/{token}
      token_hash bytea NOT NULL UNIQUE,
      -- null once the workflow was deleted: deliveries are refused until another one is named
      workflow_id uuid REFERENCES workflow_definitions (id) ON DELETE SET NULL,
      -- null: the published version
      version integer,
      enabled boolean NOT NULL DEFAULT true,
      -- the HMAC secret; both null when deliveries are not signed
      secret_key_id text,
      secret_ciphertext bytea,
      -- JSONata over { body, headers, query }
      filter text,
      input jsonb,
      mode text NOT NULL CHECK (mode IN ('accepted', 'wait')),
      wait_seconds integer NOT NULL,
      revision integer NOT NULL DEFAULT 1,
      created_by uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CHECK ((secret_key_id IS NULL) = (secret_ciphertext IS NULL))
    );
    CREATE INDEX webhooks_workflow_idx ON webhooks (workflow_id);

    CREATE TABLE webhook_deliveries (
      id uuid PRIMARY KEY,
      webhook_id uuid NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
      at timestamptz NOT NULL DEFAULT now(),
      outcome text NOT NULL CHECK (outcome IN ('accepted', 'repeated', 'filtered', 'refused')),
      status integer NOT NULL,
      run_id uuid,
      reason text,
      -- what tells a repeat: the sender's delivery id, or the signature
      delivery_key text,
      body_hash text
    );
    CREATE INDEX webhook_deliveries_webhook_idx ON webhook_deliveries (webhook_id, id);
    CREATE INDEX webhook_deliveries_key_idx ON webhook_deliveries (webhook_id, delivery_key, at)
      WHERE outcome = 'accepted' AND delivery_key IS NOT NULL;
    CREATE INDEX webhook_deliveries_refused_idx ON webhook_deliveries (webhook_id, at) WHERE outcome = 'refused';
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("DROP TABLE webhook_deliveries, webhooks");
}
