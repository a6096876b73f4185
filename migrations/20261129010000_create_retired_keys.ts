import type { Knex } from "knex";

/** Where the id of the key stands, beside each ciphertext. */
const PLACES = [
  ["secrets", "key_id"],
  ["external_db_configs", "secret_key_id"],
  ["webhooks", "secret_key_id"],
  ["llm_providers", "credentials_key_id"],
] as const;

/**
 * Keys that were forgotten: nothing can be stored with them any more. A process that has not been restarted since would
 * else write what nobody can read.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE retired_keys (
      key_id text PRIMARY KEY,
      retired_at timestamptz NOT NULL DEFAULT now()
    );

    CREATE FUNCTION refuse_retired_key() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF EXISTS (SELECT 1 FROM retired_keys WHERE key_id = to_jsonb(NEW) ->> TG_ARGV[0]) THEN
          RAISE EXCEPTION 'the encryption key was retired' USING ERRCODE = 'HRK01';
        END IF;
        RETURN NEW;
      END $$;
  `);
  for (const [table, column] of PLACES) {
    await knex.raw(
      `CREATE TRIGGER ${table}_no_retired_key BEFORE INSERT OR UPDATE OF ${column} ON ${table}
       FOR EACH ROW EXECUTE FUNCTION refuse_retired_key('${column}')`,
    );
  }
}

export async function down(knex: Knex): Promise<void> {
  for (const [table] of PLACES) await knex.raw(`DROP TRIGGER ${table}_no_retired_key ON ${table}`);
  await knex.raw("DROP FUNCTION refuse_retired_key; DROP TABLE retired_keys");
}
