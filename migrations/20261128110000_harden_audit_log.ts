import type { Knex } from "knex";

/**
 * The audit log keeps itself: no UPDATE, no TRUNCATE, and DELETE only of what a checkpoint has taken the place of.
 * Checkpoints are signed with a key that is not in the database, so that a chain which was computed anew does not fit.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE audit_checkpoints (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      kind text NOT NULL CHECK (kind IN ('head', 'prune')),
      -- the entry that it speaks of, and that entry's hash
      seq bigint NOT NULL,
      hash bytea NOT NULL,
      at timestamptz NOT NULL,
      key_id text NOT NULL,
      signature bytea NOT NULL
    );
    CREATE INDEX audit_checkpoints_prune_idx ON audit_checkpoints (seq DESC) WHERE kind = 'prune';
    CREATE INDEX action_logs_at_idx ON action_logs (at);

    CREATE FUNCTION refuse_audit_removal() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF OLD.seq <= (SELECT max(seq) FROM audit_checkpoints WHERE kind = 'prune') THEN RETURN OLD; END IF;
        RAISE EXCEPTION 'this table is append-only';
      END $$;

    DROP TRIGGER action_logs_append_only ON action_logs;
    CREATE TRIGGER action_logs_append_only BEFORE UPDATE ON action_logs
      FOR EACH ROW EXECUTE FUNCTION refuse_change();
    CREATE TRIGGER action_logs_no_removal BEFORE DELETE ON action_logs
      FOR EACH ROW EXECUTE FUNCTION refuse_audit_removal();
    CREATE TRIGGER action_logs_no_truncate BEFORE TRUNCATE ON action_logs
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    CREATE TRIGGER audit_checkpoints_append_only BEFORE UPDATE OR DELETE ON audit_checkpoints
      FOR EACH ROW EXECUTE FUNCTION refuse_change();
    CREATE TRIGGER audit_checkpoints_no_truncate BEFORE TRUNCATE ON audit_checkpoints
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

    -- also where a session plays the replica: that would put ordinary triggers to sleep
    ALTER TABLE action_logs ENABLE ALWAYS TRIGGER action_logs_append_only;
    ALTER TABLE action_logs ENABLE ALWAYS TRIGGER action_logs_no_removal;
    ALTER TABLE action_logs ENABLE ALWAYS TRIGGER action_logs_no_truncate;
    ALTER TABLE audit_checkpoints ENABLE ALWAYS TRIGGER audit_checkpoints_append_only;
    ALTER TABLE audit_checkpoints ENABLE ALWAYS TRIGGER audit_checkpoints_no_truncate;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    DROP TRIGGER action_logs_no_truncate ON action_logs;
    DROP TRIGGER action_logs_no_removal ON action_logs;
    DROP TRIGGER action_logs_append_only ON action_logs;
    CREATE TRIGGER action_logs_append_only BEFORE UPDATE OR DELETE ON action_logs
      FOR EACH ROW EXECUTE FUNCTION refuse_change();
    DROP FUNCTION refuse_audit_removal();
    DROP INDEX action_logs_at_idx;
    DROP TABLE audit_checkpoints;
  `);
}
