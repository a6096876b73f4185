import type { Knex } from "knex";

/** What forEach, sub-workflows, waits, approvals, admission, reruns and `finally` need to know of a run and its steps. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    ALTER TABLE workflow_runs
      -- the step that started this run, where another run did; depth counts the runs above it
      ADD COLUMN parent_step_index integer,
      ADD COLUMN parent_item_index integer,
      ADD COLUMN depth smallint NOT NULL DEFAULT 0,
      -- how the run will end once its finally steps have: 'canceled' or 'failed'
      ADD COLUMN ending text,
      -- the evaluated keys of the workflow's concurrency and rateLimit
      ADD COLUMN concurrency_key text,
      ADD COLUMN rate_key text,
      -- null while the run waits for its turn; a slot is a row with admitted_at and without finished_at
      ADD COLUMN admitted_at timestamptz DEFAULT now(),
      ADD COLUMN is_pinned boolean NOT NULL DEFAULT false,
      -- the schedule and due time that started it
      ADD COLUMN schedule_id uuid,
      ADD COLUMN scheduled_for timestamptz;
    CREATE INDEX workflow_runs_parent_idx ON workflow_runs (parent_run_id) WHERE parent_run_id IS NOT NULL;
    CREATE INDEX workflow_runs_rate_idx ON workflow_runs (workflow_id, rate_key, admitted_at)
      WHERE rate_key IS NOT NULL;
    CREATE INDEX workflow_runs_schedule_idx ON workflow_runs (schedule_id, id DESC) WHERE schedule_id IS NOT NULL;

    ALTER TABLE step_runs
      -- of the row that stands for a whole forEach: how many items there are, were queued, have ended, have failed
      ADD COLUMN items_total integer,
      ADD COLUMN items_next integer,
      ADD COLUMN items_ended integer,
      ADD COLUMN items_failed integer,
      -- the run that a workflow: step waits for
      ADD COLUMN child_run_id uuid,
      -- by the database's clock: when a wait is over, an approval expires, a sub-workflow has taken too long
      ADD COLUMN due_at timestamptz,
      -- what a waiting approval asks for, and what was decided so far
      ADD COLUMN approval jsonb;
    CREATE INDEX step_runs_due_idx ON step_runs (due_at) WHERE due_at IS NOT NULL;
    CREATE INDEX step_runs_waiting_idx ON step_runs (run_id) WHERE status = 'waiting';

    -- the items of a forEach, a hundred to a row, so that no job has to load them all
    CREATE TABLE step_items (
      run_id uuid NOT NULL,
      step_index integer NOT NULL,
      chunk integer NOT NULL,
      items jsonb NOT NULL,
      PRIMARY KEY (run_id, step_index, chunk)
    ) PARTITION BY RANGE (run_id);
    CREATE TABLE step_items_default PARTITION OF step_items DEFAULT;
  `);
  await knex.raw(
    createPartitions(["workflow_runs", "step_runs", "step_attempts", "run_events", "step_items"]),
  );
  await knex.raw("SELECT create_run_partitions(now(), 3)");
  await knex.raw(`
    DO $do$ DECLARE part regclass; BEGIN
      FOR part IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'workflow_runs'::regclass LOOP
        EXECUTE format('ALTER TABLE %s SET (fillfactor = 50)', part);
      END LOOP;
    END $do$`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(createPartitions(["workflow_runs", "step_runs", "step_attempts", "run_events"]));
  await knex.raw(`
    DROP TABLE step_items;
    ALTER TABLE step_runs DROP COLUMN items_total, DROP COLUMN items_next, DROP COLUMN items_ended,
      DROP COLUMN items_failed, DROP COLUMN child_run_id, DROP COLUMN due_at, DROP COLUMN approval;
    DROP INDEX step_runs_waiting_idx;
    ALTER TABLE workflow_runs DROP COLUMN parent_step_index, DROP COLUMN parent_item_index, DROP COLUMN depth,
      DROP COLUMN ending, DROP COLUMN concurrency_key, DROP COLUMN rate_key, DROP COLUMN admitted_at,
      DROP COLUMN is_pinned, DROP COLUMN schedule_id, DROP COLUMN scheduled_for;
    DROP INDEX workflow_runs_parent_idx;
  `);
}

/** The function that makes monthly partitions, for these tables. */
function createPartitions(tables: readonly string[]): string {
  const names = tables.map((table) => `'${table}'`).join(", ");
  return `
    CREATE OR REPLACE FUNCTION create_run_partitions(from_at timestamptz, months integer) RETURNS void
    LANGUAGE plpgsql AS $fn$
    DECLARE
      parent text;
      month_start timestamptz;
      lower_id text;
      upper_id text;
    BEGIN
      PERFORM pg_advisory_xact_lock(7238120011);
      FOR i IN 0 .. months - 1 LOOP
        month_start := date_trunc('month', from_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + make_interval(months => i);
        lower_id := lpad(to_hex((extract(epoch FROM month_start) * 1000)::bigint), 12, '0');
        upper_id := lpad(to_hex((extract(epoch FROM month_start + interval '1 month') * 1000)::bigint), 12, '0');
        FOREACH parent IN ARRAY ARRAY[${names}] LOOP
          EXECUTE format(
            'CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L) WITH (fillfactor = %s)',
            parent || '_' || to_char(month_start AT TIME ZONE 'UTC', 'YYYYMM'),
            parent,
            substr(lower_id, 1, 8) || '-' || substr(lower_id, 9, 4) || '-0000-0000-000000000000',
            substr(upper_id, 1, 8) || '-' || substr(upper_id, 9, 4) || '-0000-0000-000000000000',
            -- a live run's row changes with every step: on a page with room no index has to be told
            CASE parent WHEN 'workflow_runs' THEN 50 ELSE 100 END
          );
        END LOOP;
      END LOOP;
    END $fn$`;
}
