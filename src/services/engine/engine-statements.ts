/**
 * The SQL of the group commit. Every statement takes arrays, so that one round trip serves all transitions
 * of a flush, and is prepared by name, so that it is planned once per connection.
 */

/** Locks runs in the order of their ids: two processes can never wait for each other in a circle. */
export const LOCK_RUNS = {
  name: "lock-runs",
  text: `
    SELECT id, status, workflow_version_id, step_states, last_seq, flow, priority, error
    FROM workflow_runs WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE`,
};

/** Rows of the steps that transitions name. Reads after the lock, so it sees what the last holder committed. */
export const LOAD_STEPS = {
  name: "load-steps",
  text: `
    SELECT s.run_id, s.step_index, s.item_index, s.status, s.attempt, s.lost_count, s.released_count, s.lease_token,
           GREATEST(0, ceil(extract(epoch FROM s.available_at - clock_timestamp()) * 1000))::int AS wait_ms
    FROM unnest($1::uuid[], $2::int[], $3::int[]) AS k (run_id, step_index, item_index)
    JOIN step_runs s ON s.run_id = k.run_id AND s.step_index = k.step_index AND s.item_index = k.item_index`,
};

export const INSERT_RUNS = {
  name: "insert-runs",
  text: `
    INSERT INTO workflow_runs (id, workflow_id, workflow_version_id, workflow_name, workflow_version, status, trigger,
      input, labels, priority, created_by, created_by_name, parent_run_id, replay_of, available_at, last_seq, step_states,
      finished_at, error)
    SELECT id, workflow_id, version_id, name, version, status, trigger, input, labels, priority, created_by,
      created_by_name, parent_run_id, replay_of, now() + make_interval(secs => delay_ms / 1000.0), last_seq, step_states,
      CASE WHEN is_ended THEN now() END, error
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::int[], $6::text[], $7::text[], $8::jsonb[], $9::jsonb[],
      $10::int[], $11::uuid[], $12::text[], $13::uuid[], $14::uuid[], $15::float8[], $16::bigint[], $17::text[],
      $18::boolean[], $19::jsonb[])
      AS r (id, workflow_id, version_id, name, version, status, trigger, input, labels, priority, created_by,
        created_by_name, parent_run_id, replay_of, delay_ms, last_seq, step_states, is_ended, error)`,
};

export const INSERT_STEPS = {
  name: "insert-steps",
  text: `
    INSERT INTO step_runs (run_id, step_index, id, step_id, status, worker_group, priority, queue_timeout_seconds,
      queued_at, available_at, finished_at, error)
    SELECT run_id, step_index, id, step_id, status, worker_group, priority, queue_timeout,
      CASE WHEN status = 'queued' THEN now() END,
      CASE WHEN status = 'queued' THEN now() + make_interval(secs => delay_ms / 1000.0) END,
      CASE WHEN status = 'skipped' THEN now() END, error
    FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::int[], $8::float8[],
      $9::float8[], $10::jsonb[])
      AS s (run_id, step_index, id, step_id, status, worker_group, priority, queue_timeout, delay_ms, error)`,
};

export const START_STEPS = {
  name: "start-steps",
  text: `
    UPDATE step_runs s SET status = 'running', lease_token = u.token, worker_id = u.worker_id, sandbox_level = u.sandbox_level,
      started_at = now(), finished_at = NULL, waiting_for = NULL
    FROM unnest($1::uuid[], $2::int[], $3::int[], $4::uuid[], $5::uuid[], $6::text[])
      AS u (run_id, step_index, item_index, token, worker_id, sandbox_level)
    WHERE s.run_id = u.run_id AND s.step_index = u.step_index AND s.item_index = u.item_index`,
};

export const END_STEPS = {
  name: "end-steps",
  text: `
    UPDATE step_runs s SET status = u.status, output = u.output, output_artifact_id = u.artifact_id, error = u.error,
      inputs = COALESCE(u.inputs, s.inputs), finished_at = now(), lease_token = NULL, waiting_for = NULL
    FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[], $5::jsonb[], $6::uuid[], $7::jsonb[], $8::jsonb[])
      AS u (run_id, step_index, item_index, status, output, artifact_id, error, inputs)
    WHERE s.run_id = u.run_id AND s.step_index = u.step_index AND s.item_index = u.item_index`,
};

/** Runs before QUEUE_STEPS: keeps the attempt that has just ended. */
export const ARCHIVE_ATTEMPTS = {
  name: "archive-attempts",
  text: `
    INSERT INTO step_attempts (run_id, step_index, item_index, attempt, status, worker_id, queued_at, started_at, error)
    SELECT s.run_id, s.step_index, s.item_index, s.attempt, 'failed', s.worker_id, s.queued_at, s.started_at, u.error
    FROM unnest($1::uuid[], $2::int[], $3::int[], $4::jsonb[]) AS u (run_id, step_index, item_index, error)
    JOIN step_runs s ON s.run_id = u.run_id AND s.step_index = u.step_index AND s.item_index = u.item_index
    ON CONFLICT DO NOTHING`,
};

export const QUEUE_STEPS = {
  name: "queue-steps",
  text: `
    UPDATE step_runs s SET status = 'queued', attempt = u.attempt, lost_count = u.lost_count, released_count = u.released_count,
      queued_at = now(), available_at = now() + make_interval(secs => u.delay_ms / 1000.0), checked_at = NULL,
      lease_token = NULL, worker_id = NULL, started_at = NULL, finished_at = NULL
    FROM unnest($1::uuid[], $2::int[], $3::int[], $4::int[], $5::int[], $6::int[], $7::float8[])
      AS u (run_id, step_index, item_index, attempt, lost_count, released_count, delay_ms)
    WHERE s.run_id = u.run_id AND s.step_index = u.step_index AND s.item_index = u.item_index`,
};

export const RECORD_INPUTS = {
  name: "record-inputs",
  text: `
    UPDATE step_runs s SET inputs = u.inputs
    FROM unnest($1::uuid[], $2::int[], $3::int[], $4::jsonb[]) AS u (run_id, step_index, item_index, inputs)
    WHERE s.run_id = u.run_id AND s.step_index = u.step_index AND s.item_index = u.item_index`,
};

export const INSERT_EVENTS = {
  name: "insert-events",
  text: `
    INSERT INTO run_events (run_id, seq, type, step_id, item_index, attempt, data)
    SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::int[], $6::int[], $7::jsonb[])`,
};

/** Runs last: a collected output must see what END_STEPS of the same flush wrote. */
export const UPDATE_RUNS = {
  name: "update-runs",
  text: `
    UPDATE workflow_runs r SET status = u.status, step_states = u.step_states, last_seq = u.last_seq, error = u.error,
      started_at = CASE WHEN u.has_started THEN now() ELSE r.started_at END,
      deadline_at = CASE WHEN u.has_started AND u.timeout_s IS NOT NULL
        THEN now() + make_interval(secs => u.timeout_s) ELSE r.deadline_at END,
      finished_at = CASE WHEN u.is_ended THEN now() END,
      output = CASE WHEN u.collect IS NULL THEN u.output ELSE (
        SELECT jsonb_object_agg(s.step_id,
          CASE WHEN s.output_artifact_id IS NULL THEN s.output ELSE jsonb_build_object('$artifact', s.output_artifact_id) END)
        FROM step_runs s WHERE s.run_id = r.id AND s.step_index = ANY (string_to_array(u.collect, ',')::int[])
          AND s.item_index = -1 AND s.status = 'succeeded') END
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::jsonb[], $6::boolean[], $7::float8[], $8::boolean[],
      $9::jsonb[], $10::text[])
      AS u (id, status, step_states, last_seq, error, has_started, timeout_s, is_ended, output, collect)
    WHERE r.id = u.id`,
};
