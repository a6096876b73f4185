import type { Knex } from "knex";

/**
 * Runs, their steps, attempts and events. All are partitioned by the run's UUIDv7, which begins with the
 * millisecond it was made: one run's rows share a partition, a lookup by run id reads one partition, and
 * retention drops partitions.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE workflow_runs (
      id uuid NOT NULL PRIMARY KEY,
      workflow_id uuid,
      workflow_version_id uuid NOT NULL,
      workflow_name text NOT NULL,
      workflow_version integer NOT NULL,
      status text NOT NULL,
      trigger text NOT NULL,
      input jsonb NOT NULL,
      output jsonb,
      output_artifact_id uuid,
      error jsonb,
      labels jsonb NOT NULL DEFAULT '{}',
      priority integer NOT NULL DEFAULT 0,
      created_by uuid,
      created_by_name text NOT NULL,
      parent_run_id uuid,
      replay_of uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      available_at timestamptz NOT NULL DEFAULT now(),
      started_at timestamptz,
      finished_at timestamptz,
      deadline_at timestamptz,
      -- the newest number of this run's event sequence; the row lock hands the numbers out
      last_seq bigint NOT NULL DEFAULT 0,
      -- one letter per step in the order of the definition (src/core/step-states.ts): what "ready" is judged on
      step_states text NOT NULL,
      -- counts the BullMQ flows of this run
      flow integer NOT NULL DEFAULT 1
    ) PARTITION BY RANGE (id);
    CREATE INDEX workflow_runs_workflow_idx ON workflow_runs (workflow_id, id DESC);
    CREATE INDEX workflow_runs_status_idx ON workflow_runs (status, id DESC);
    CREATE INDEX workflow_runs_trigger_idx ON workflow_runs (trigger, id DESC);
    CREATE INDEX workflow_runs_labels_idx ON workflow_runs USING gin (labels jsonb_path_ops) WHERE labels <> '{}';
    CREATE INDEX workflow_runs_deadline_idx ON workflow_runs (deadline_at)
      WHERE deadline_at IS NOT NULL AND finished_at IS NULL;

    CREATE TABLE step_runs (
      run_id uuid NOT NULL,
      step_index integer NOT NULL,
      item_index integer NOT NULL DEFAULT -1,
      id uuid NOT NULL,
      step_id text NOT NULL,
      status text NOT NULL,
      attempt integer NOT NULL DEFAULT 1,
      -- attempts that ended because their worker died: they do not count against retry.maxAttempts
      lost_count integer NOT NULL DEFAULT 0,
      -- attempts given back unfinished by a stopping worker: not counted either
      released_count integer NOT NULL DEFAULT 0,
      -- the fence: a result with another token is refused
      lease_token uuid,
      worker_id uuid,
      worker_group text NOT NULL,
      priority integer NOT NULL DEFAULT 0,
      queue_timeout_seconds double precision,
      queued_at timestamptz,
      available_at timestamptz,
      -- when the reconciler last saw that its job exists
      checked_at timestamptz,
      started_at timestamptz,
      finished_at timestamptz,
      inputs jsonb,
      output jsonb,
      output_artifact_id uuid,
      error jsonb,
      waiting_for jsonb,
      cache_hit boolean NOT NULL DEFAULT false,
      sandbox_level text,
      PRIMARY KEY (run_id, step_index, item_index)
    ) PARTITION BY RANGE (run_id);
    CREATE INDEX step_runs_queued_idx ON step_runs (available_at) WHERE status = 'queued';
    CREATE INDEX step_runs_running_idx ON step_runs (worker_id) WHERE status = 'running';

    -- attempts that ended and were followed by another; the newest attempt is the step run itself
    CREATE TABLE step_attempts (
      run_id uuid NOT NULL,
      step_index integer NOT NULL,
      item_index integer NOT NULL DEFAULT -1,
      attempt integer NOT NULL,
      status text NOT NULL,
      worker_id uuid,
      queued_at timestamptz,
      started_at timestamptz,
      finished_at timestamptz NOT NULL DEFAULT now(),
      error jsonb,
      PRIMARY KEY (run_id, step_index, item_index, attempt)
    ) PARTITION BY RANGE (run_id);

    CREATE TABLE run_events (
      run_id uuid NOT NULL,
      seq bigint NOT NULL,
      type text NOT NULL,
      at timestamptz NOT NULL DEFAULT now(),
      step_id text,
      item_index integer,
      attempt integer,
      data jsonb NOT NULL DEFAULT '{}',
      PRIMARY KEY (run_id, seq)
    ) PARTITION BY RANGE (run_id);
    CREATE INDEX run_events_runs_idx ON run_events (at) WHERE type LIKE 'run.%';

    CREATE TABLE artifacts (
      id uuid PRIMARY KEY,
      run_id uuid NOT NULL,
      step_index integer NOT NULL,
      item_index integer NOT NULL DEFAULT -1,
      attempt integer NOT NULL,
      -- 'file': left by user code; 'output': an output too large for its row
      kind text NOT NULL CHECK (kind IN ('file', 'output')),
      name text NOT NULL,
      content_type text NOT NULL,
      size_bytes bigint NOT NULL,
      sha256 text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX artifacts_run_idx ON artifacts (run_id, step_index);
    CREATE INDEX artifacts_sha256_idx ON artifacts (sha256);

    -- a key belongs to its caller and workflow and lives 24 hours
    CREATE TABLE idempotency_keys (
      owner text NOT NULL,
      workflow_id uuid NOT NULL,
      key text NOT NULL,
      body_hash text NOT NULL,
      run_id uuid NOT NULL,
      expires_at timestamptz NOT NULL,
      PRIMARY KEY (owner, workflow_id, key)
    );
    CREATE INDEX idempotency_keys_expires_idx ON idempotency_keys (expires_at);
  `);
  await knex.raw(`
    -- makes the monthly partitions of a span of time; safe to call again and from several processes
    CREATE FUNCTION create_run_partitions(from_at timestamptz, months integer) RETURNS void LANGUAGE plpgsql AS $fn$
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
        FOREACH parent IN ARRAY ARRAY['workflow_runs', 'step_runs', 'step_attempts', 'run_events'] LOOP
          EXECUTE format(
            'CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
            parent || '_' || to_char(month_start AT TIME ZONE 'UTC', 'YYYYMM'),
            parent,
            substr(lower_id, 1, 8) || '-' || substr(lower_id, 9, 4) || '-0000-0000-000000000000',
            substr(upper_id, 1, 8) || '-' || substr(upper_id, 9, 4) || '-0000-0000-000000000000'
          );
        END LOOP;
      END LOOP;
    END $fn$;
    SELECT create_run_partitions(now(), 3);
    CREATE TABLE workflow_runs_default PARTITION OF workflow_runs DEFAULT;
    CREATE TABLE step_runs_default PARTITION OF step_runs DEFAULT;
    CREATE TABLE step_attempts_default PARTITION OF step_attempts DEFAULT;
    CREATE TABLE run_events_default PARTITION OF run_events DEFAULT;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    DROP TABLE idempotency_keys, artifacts, run_events, step_attempts, step_runs, workflow_runs;
    DROP FUNCTION create_run_partitions(timestamptz, integer);
  `);
}
