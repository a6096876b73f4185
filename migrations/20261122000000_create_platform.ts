import type { Knex } from "knex";

/** Users, sessions, API keys, audit, secrets, settings of the installation, leaders and workers. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE users (
      id uuid PRIMARY KEY,
      email text NOT NULL,
      name text NOT NULL,
      password_hash text,
      role text NOT NULL CHECK (role IN ('viewer', 'operator', 'editor', 'admin')),
      is_active boolean NOT NULL DEFAULT true,
      -- access tokens issued before this moment are refused (password or role changed, logout everywhere)
      tokens_valid_after timestamptz NOT NULL DEFAULT now(),
      revision integer NOT NULL DEFAULT 1,
      last_login_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE UNIQUE INDEX users_email_key ON users (lower(email));

    -- one row per sign-in; refresh tokens rotate within it
    CREATE TABLE sessions (
      id uuid PRIMARY KEY,
      user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL,
      revoked_at timestamptz,
      address text
    );
    CREATE INDEX sessions_user_id_idx ON sessions (user_id);

    CREATE TABLE refresh_tokens (
      id uuid PRIMARY KEY,
      session_id uuid NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
      token_hash bytea NOT NULL UNIQUE,
      created_at timestamptz NOT NULL DEFAULT now(),
      spent_at timestamptz
    );
    CREATE INDEX refresh_tokens_session_id_idx ON refresh_tokens (session_id);

    CREATE TABLE api_keys (
      id uuid PRIMARY KEY,
      user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
      name text NOT NULL,
      prefix text NOT NULL,
      key_hash bytea NOT NULL UNIQUE,
      role text NOT NULL CHECK (role IN ('viewer', 'operator', 'editor', 'admin')),
      expires_at timestamptz,
      last_used_at timestamptz,
      revoked_at timestamptz,
      created_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX api_keys_user_id_idx ON api_keys (user_id);

    CREATE TABLE action_logs (
      seq bigint PRIMARY KEY,
      id uuid NOT NULL UNIQUE,
      at timestamptz NOT NULL DEFAULT now(),
      actor_type text NOT NULL,
      actor_id uuid,
      actor_name text NOT NULL,
      action text NOT NULL,
      outcome text NOT NULL CHECK (outcome IN ('succeeded', 'denied', 'failed')),
      entity_type text,
      entity_id text,
      request_id text,
      address text,
      before jsonb,
      after jsonb,
      previous_hash bytea NOT NULL,
      hash bytea NOT NULL
    );
    CREATE INDEX action_logs_entity_idx ON action_logs (entity_type, entity_id, seq DESC);
    CREATE INDEX action_logs_actor_idx ON action_logs (actor_id, seq DESC);

    -- append-only in the database itself
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'this table is append-only'; END $$;
    CREATE TRIGGER action_logs_append_only BEFORE UPDATE OR DELETE ON action_logs
      FOR EACH ROW EXECUTE FUNCTION refuse_change();

    CREATE TABLE secrets (
      name text PRIMARY KEY,
      description text,
      hosts jsonb,
      key_id text NOT NULL,
      ciphertext bytea NOT NULL,
      revision integer NOT NULL DEFAULT 1,
      created_by uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now()
    );

    -- one row per role that only one process may play; taken over when it expires
    CREATE TABLE leaders (
      name text PRIMARY KEY,
      holder uuid NOT NULL,
      expires_at timestamptz NOT NULL
    );

    -- a worker's steps are its own while its lease lasts
    CREATE TABLE workers (
      id uuid PRIMARY KEY,
      hostname text NOT NULL,
      pid integer NOT NULL,
      groups text[] NOT NULL,
      concurrency integer NOT NULL,
      sandbox_level text NOT NULL,
      sandbox_reasons text[] NOT NULL DEFAULT '{}',
      running integer NOT NULL DEFAULT 0,
      version text NOT NULL,
      started_at timestamptz NOT NULL DEFAULT now(),
      last_seen_at timestamptz NOT NULL DEFAULT now(),
      lease_until timestamptz NOT NULL
    );
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    DROP TABLE workers, leaders, secrets, action_logs, api_keys, refresh_tokens, sessions, users;
    DROP FUNCTION refuse_change();
  `);
}
