import type { Knex } from "knex";

/** Apps that steps have started. An app belongs to the worker that runs it and outlives its step. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE apps (
      id uuid PRIMARY KEY,
      name text NOT NULL,
      mode text NOT NULL CHECK (mode IN ('server', 'browser')),
      status text NOT NULL CHECK (status IN ('starting', 'running', 'stopped', 'failed')),
      -- why it has stopped or failed, in words for people
      reason text,
      run_id uuid NOT NULL,
      step_id text NOT NULL,
      step_index integer NOT NULL,
      item_index integer NOT NULL,
      workflow_version_id uuid NOT NULL,
      mcp_version_id uuid NOT NULL,
      -- the step's fencing token: what the app sends back counts only with it
      lease_token uuid NOT NULL,
      wait_for_submit boolean NOT NULL,
      submitted_at timestamptz,
      worker_id uuid NOT NULL,
      hostname text NOT NULL,
      -- where the worker's gateway listens: for processes of the same machine, and for others if it may be
      gateway_socket text NOT NULL,
      gateway_url text,
      restarts integer NOT NULL DEFAULT 0,
      idle_timeout_seconds integer NOT NULL,
      -- the last lines it has said, secrets masked
      log_tail jsonb NOT NULL DEFAULT '[]',
      stop_requested_at timestamptz,
      stop_requested_by text,
      last_used_at timestamptz NOT NULL DEFAULT now(),
      last_seen_at timestamptz NOT NULL DEFAULT now(),
      lease_until timestamptz NOT NULL,
      created_by uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      stopped_at timestamptz
    );
    CREATE INDEX apps_live_idx ON apps (worker_id) WHERE status IN ('starting', 'running');
    CREATE INDEX apps_run_idx ON apps (run_id);
    CREATE INDEX apps_stopped_idx ON apps (stopped_at) WHERE stopped_at IS NOT NULL;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("DROP TABLE apps");
}
