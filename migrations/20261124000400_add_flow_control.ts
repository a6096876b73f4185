import type { Knex } from "knex";

/** Turns of held runs, pauses of workflows, and throttles of components. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE workflow_definitions ADD COLUMN paused_at timestamptz;
    -- { limit, seconds }: how many of its steps may start within so many seconds, over all workers
    ALTER TABLE mcp_definitions ADD COLUMN rate_limit jsonb;

    -- the transition that was decided for a held run and is not applied yet: what a crash in between left to do
    ALTER TABLE workflow_runs ADD COLUMN admission jsonb;
    CREATE INDEX workflow_runs_admission_idx ON workflow_runs (id) WHERE admission IS NOT NULL;
    -- the line in which held runs wait, by their keys
    CREATE INDEX workflow_runs_line_idx ON workflow_runs
      (workflow_id, (coalesce(concurrency_key, '')), (coalesce(rate_key, '')), priority DESC, id)
      WHERE admitted_at IS NULL AND finished_at IS NULL;
    -- who holds a key's slots, the oldest first; held runs are not in it, so a long line costs nothing
    CREATE INDEX workflow_runs_holders_idx ON workflow_runs (workflow_id, concurrency_key, admitted_at)
      WHERE concurrency_key IS NOT NULL AND admitted_at IS NOT NULL AND finished_at IS NULL;
    -- when a pair of keys last had its turn
    CREATE INDEX workflow_runs_turns_idx ON workflow_runs
      (workflow_id, (coalesce(concurrency_key, '')), (coalesce(rate_key, '')), admitted_at DESC)
      WHERE admitted_at IS NOT NULL AND (concurrency_key IS NOT NULL OR rate_key IS NOT NULL);

    -- starts of steps of throttled components; rows older than the throttle's seconds mean nothing
    CREATE TABLE step_grants (
      mcp_definition_id uuid NOT NULL REFERENCES mcp_definitions (id) ON DELETE CASCADE,
      granted_at timestamptz NOT NULL
    );
    CREATE INDEX step_grants_idx ON step_grants (mcp_definition_id, granted_at);
  `);
  await knex.raw(`
    -- grants one start within the throttle, or says in how many milliseconds to ask again; 0 means granted
    CREATE FUNCTION grant_step(definition_id uuid, most integer, seconds double precision) RETURNS integer
    LANGUAGE plpgsql AS $fn$
    DECLARE
      span interval := make_interval(secs => seconds);
      asked_at timestamptz;
      used integer;
      oldest timestamptz;
    BEGIN
      PERFORM pg_advisory_xact_lock(hashtextextended('headrace.step-throttle:' || definition_id, 0));
      -- after the lock: whoever had it may have granted while this call waited
      asked_at := clock_timestamp();
      SELECT count(*), min(recent.granted_at) INTO used, oldest FROM (
        SELECT granted_at FROM step_grants
        WHERE mcp_definition_id = definition_id AND granted_at > asked_at - span
        ORDER BY granted_at DESC LIMIT most
      ) AS recent;
      IF used >= most THEN
        RETURN greatest(1, ceil(extract(epoch FROM oldest + span - asked_at) * 1000));
      END IF;
      DELETE FROM step_grants WHERE mcp_definition_id = definition_id AND granted_at <= asked_at - span;
      INSERT INTO step_grants (mcp_definition_id, granted_at) VALUES (definition_id, asked_at);
      RETURN 0;
    END $fn$;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    DROP FUNCTION grant_step(uuid, integer, double precision);
    DROP TABLE step_grants;
    DROP INDEX workflow_runs_turns_idx, workflow_runs_holders_idx, workflow_runs_line_idx;
    ALTER TABLE workflow_runs DROP COLUMN admission;
    ALTER TABLE mcp_definitions DROP COLUMN rate_limit;
    ALTER TABLE workflow_definitions DROP COLUMN paused_at;
  `);
}
