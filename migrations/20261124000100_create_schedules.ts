import type { Knex } from "knex";

/** Schedules: PostgreSQL says what is due; the job schedulers of the queue are made from these rows. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE schedules (
      id uuid PRIMARY KEY,
      name text NOT NULL UNIQUE,
      -- null once the workflow has been deleted: the schedule then rests until it is given another
      workflow_id uuid REFERENCES workflow_definitions (id) ON DELETE SET NULL,
      cron text,
      every_seconds integer CHECK (every_seconds >= 1),
      -- due times of every_seconds are whole steps from here, before and after it
      anchor_at timestamptz NOT NULL DEFAULT now(),
      timezone text NOT NULL DEFAULT 'UTC',
      input jsonb NOT NULL DEFAULT '{}',
      enabled boolean NOT NULL DEFAULT true,
      overlap text NOT NULL DEFAULT 'allow' CHECK (overlap IN ('allow', 'skip', 'queue')),
      catch_up text NOT NULL DEFAULT 'none' CHECK (catch_up IN ('none', 'latest', 'all')),
      -- the first due time that has not been dealt with; null while paused
      next_due_at timestamptz,
      -- overlap 'queue': the one due time that waits for the earlier run to end
      waiting_due_at timestamptz,
      -- a firing is one process's own while its lease lasts, and counts only with its token
      lease_token uuid,
      lease_until timestamptz,
      last_run_id uuid,
      last_run_at timestamptz,
      last_skipped_at timestamptz,
      last_skipped_reason text,
      revision integer NOT NULL DEFAULT 1,
      created_by uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      CHECK ((cron IS NULL) <> (every_seconds IS NULL))
    );
    CREATE INDEX schedules_due_idx ON schedules (next_due_at) WHERE next_due_at IS NOT NULL;
    CREATE INDEX schedules_waiting_idx ON schedules (waiting_due_at) WHERE waiting_due_at IS NOT NULL;
    CREATE INDEX schedules_workflow_idx ON schedules (workflow_id);

    -- what overlap asks at every due time, and what a backfill asks of a span: neither may grow with history
    CREATE INDEX workflow_runs_schedule_live_idx ON workflow_runs (schedule_id)
      WHERE schedule_id IS NOT NULL AND finished_at IS NULL;
    CREATE INDEX workflow_runs_scheduled_for_idx ON workflow_runs (schedule_id, scheduled_for)
      WHERE schedule_id IS NOT NULL;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    DROP INDEX workflow_runs_scheduled_for_idx, workflow_runs_schedule_live_idx;
    DROP TABLE schedules;
  `);
}
