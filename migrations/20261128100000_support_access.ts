import type { Knex } from "knex";

/**
 * Counters of rate limits where there is no Redis, in the columns that rate-limiter-flexible writes. Unlogged: a
 * crash may forget them, and no request waits for a disk. Also what API keys are narrowed to, and who people are at
 * an OpenID provider.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE UNLOGGED TABLE rate_limits (
      key varchar(255) PRIMARY KEY,
      points integer NOT NULL DEFAULT 0,
      -- milliseconds since 1970
      expire bigint
    );
    CREATE INDEX rate_limits_expire_idx ON rate_limits (expire);

    -- null: everything that the role may
    ALTER TABLE api_keys ADD COLUMN scopes text[];

    CREATE TABLE user_identities (
      id uuid PRIMARY KEY,
      user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
      issuer text NOT NULL,
      subject text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      UNIQUE (issuer, subject),
      -- an address that a provider gives to somebody else must not bring them into the first one's account
      UNIQUE (user_id, issuer)
    );
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    DROP TABLE user_identities, rate_limits;
    ALTER TABLE api_keys DROP COLUMN scopes;
  `);
}
