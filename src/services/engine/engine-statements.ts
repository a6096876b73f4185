/**
 * The SQL of the group commit. Every statement takes arrays, so that one round trip serves all transitions
 * of a flush, and is prepared by name, so that it is planned once per connection.
 */

/** Locks runs in the order of their ids: two processes can never wait for each other in a circle. */
export const LOCK_RUNS = {
  name: "lock-runs",
  text: `
    SELECT id, status, workflow_id, workflow_version_id, step_states, last_seq, flow, priority, error, ending, depth,
      parent_run_id, parent_step_index, parent_item_index, concurrency_key, rate_key
    FROM workflow_runs WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE`,
};

/** Rows of the steps that transitions name. Reads after the lock, so it sees what the last holder committed. */
export const LOAD_STEPS = {
  name: "load-steps",
  text: `
    SELECT s.run_id, s.step_index, s.item_index, s.status, s.attempt, s.lost_count, s.released_count, s.lease_token,
           GREATEST(0, ceil(extract(epoch FROM s.available_at - clock_timestamp()) * 1000))::int AS wait_ms,
           s.items_total, s.items_next, s.items_ended, s.items_failed, s.child_run_id, s.approval,
           s.due_at <= clock_timestamp() AS is_due, CASE WHEN s.items_total IS NOT NULL THEN s.error END AS items_error
    FROM unnest($1::uuid[], $2::int[], $3::int[]) AS k (run_id, step_index, item_index)
    JOIN step_runs s ON s.run_id = k.run_id AND s.step_index = k.step_index AND s.item_index = k.item_index`,
};

/** Items under way of runs that are about to be stopped. */
export const LOAD_OPEN_ITEMS = {
  name: "load-open-items",
  text: `
    SELECT run_id, step_index, item_index, attempt FROM step_runs
    WHERE run_id = ANY($1::uuid[]) AND item_index >= 0 AND status IN ('queued', 'running', 'waiting')
    ORDER BY run_id, step_index, item_index`,
};

/** How many steps of each lane wait, a run counting for $1 at most, where they are $2 or more. */
export const READ_LANE_DEPTHS = {
  name: "read-lane-depths",
  text: `
    SELECT waiting.worker_group, r.workflow_id, r.concurrency_key, r.rate_key,
      CASE WHEN r.workflow_id IS NULL THEN r.workflow_version_id END AS workflow_version_id,
      sum(least(waiting.steps, $1::int))::int AS depth
    FROM (
      SELECT run_id, worker_group, count(*) AS steps FROM step_runs
      WHERE status = 'queued' AND available_at <= now() GROUP BY run_id, worker_group
    ) AS waiting
    JOIN workflow_runs r ON r.id = waiting.run_id
    GROUP BY 1, 2, 3, 4, 5 HAVING sum(least(waiting.steps, $1::int)) >= $2::int`,
};

export const INSERT_RUNS = {
  name: "insert-runs",
  text: `
    INSERT INTO workflow_runs (id, workflow_id, workflow_version_id, workflow_name, workflow_version, status, trigger,
      input, labels, priority, created_by, created_by_name, parent_run_id, replay_of, available_at, last_seq, step_states,
      finished_at, error, parent_step_index, parent_item_index, depth, concurrency_key, rate_key, admitted_at,
      schedule_id, scheduled_for)
    SELECT id, workflow_id, version_id, name, version, status, trigger, input, labels, priority, created_by,
      created_by_name, parent_run_id, replay_of, now() + make_interval(secs => delay_ms / 1000.0), last_seq, step_states,
      CASE WHEN is_ended THEN now() END, error, parent_step_index, parent_item_index, depth, concurrency_key, rate_key,
      CASE WHEN NOT is_held THEN now() END, schedule_id, scheduled_for
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::int[], $6::text[], $7::text[], $8::jsonb[], $9::jsonb[],
      $10::int[], $11::uuid[], $12::text[], $13::uuid[], $14::uuid[], $15::float8[], $16::bigint[], $17::text[],
      $18::boolean[], $19::jsonb[], $20::int[], $21::int[], $22::int[], $23::text[], $24::text[], $25::boolean[],
      $26::uuid[], $27::timestamptz[])
      AS r (id, workflow_id, version_id, name, version, status, trigger, input, labels, priority, created_by,
        created_by_name, parent_run_id, replay_of, delay_ms, last_seq, step_states, is_ended, error, parent_step_index,
        parent_item_index, depth, concurrency_key, rate_key, is_held, schedule_id, scheduled_for)`,
};

export const INSERT_STEPS = {
  name: "insert-steps",
  text: `
    INSERT INTO step_runs (run_id, step_index, id, step_id, status, worker_group, priority, queue_timeout_seconds,
      queued_at, available_at, finished_at, error)
    SELECT run_id, step_index, id, step_id, status, worker_group, priority, queue_timeout,
      CASE WHEN status = 'queued' THEN now() END,
      CASE WHEN status = 'queued' THEN now() + make_interval(secs => delay_ms / 1000.0) END,
      CASE WHEN status IN ('skipped', 'succeeded') THEN now() END, error
    FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::int[], $8::float8[],
      $9::float8[], $10::jsonb[])
      AS s (run_id, step_index, id, step_id, status, worker_group, priority, queue_timeout, delay_ms, error)`,
};

export const START_STEPS = {
  name: "start-steps",
  text: `
    UPDATE step_runs s SET status = 'running', lease_token = u.token, worker_id = u.worker_id, sandbox_level = u.sandbox_level,
      started_at = now(), finished_at = NULL, waiting_for = NULL,
      -- a worker that goes on with the run takes a step that was on no queue
      queued_at = COALESCE(s.queued_at, now()), available_at = COALESCE(s.available_at, now())
    FROM unnest($1::uuid[], $2::int[], $3::int[], $4::uuid[], $5::uuid[], $6::text[])
      AS u (run_id, step_index, item_index, token, worker_id, sandbox_level)
    WHERE s.run_id = u.run_id AND s.step_index = u.step_index AND s.item_index = u.item_index`,
};

/** Those with a worker have begun in the same flush: one write to their row, not two. */
export const END_STEPS = {
  name: "end-steps",
  text: `
    UPDATE step_runs s SET status = u.status, output = u.output, output_artifact_id = u.artifact_id, error = u.error,
      inputs = COALESCE(u.inputs, s.inputs), finished_at = now(), lease_token = NULL, waiting_for = NULL,
      due_at = NULL, cache_hit = u.is_cache_hit,
      worker_id = COALESCE(u.worker_id, s.worker_id), sandbox_level = COALESCE(u.sandbox_level, s.sandbox_level),
      started_at = CASE WHEN u.worker_id IS NULL THEN s.started_at ELSE now() END,
      queued_at = CASE WHEN u.worker_id IS NULL THEN s.queued_at ELSE COALESCE(s.queued_at, now()) END,
      available_at = CASE WHEN u.worker_id IS NULL THEN s.available_at ELSE COALESCE(s.available_at, now()) END
    FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[], $5::jsonb[], $6::uuid[], $7::jsonb[], $8::jsonb[], $9::boolean[],
      $10::uuid[], $11::text[])
      AS u (run_id, step_index, item_index, status, output, artifact_id, error, inputs, is_cache_hit, worker_id,
        sandbox_level)
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
      queued_at = now(), available_at = now() + make_interval(secs => u.delay_ms / 1000.0), checked_at = NULL, aged_at = NULL,
      lease_token = NULL, worker_id = NULL, started_at = NULL, finished_at = NULL, waiting_for = NULL, due_at = NULL,
      child_run_id = NULL
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

/** Items of a `forEach`: their rows are made as their turn comes. Those with a token are running at once. */
export const INSERT_ITEMS = {
  name: "insert-items",
  text: `
    INSERT INTO step_runs (run_id, step_index, item_index, id, step_id, status, worker_group, priority,
      queue_timeout_seconds, queued_at, available_at, started_at, lease_token, worker_id, sandbox_level)
    SELECT run_id, step_index, item_index, id, step_id, CASE WHEN token IS NULL THEN 'queued' ELSE 'running' END,
      worker_group, priority, queue_timeout, now(), now(), CASE WHEN token IS NOT NULL THEN now() END, token, worker_id,
      sandbox_level
    FROM unnest($1::uuid[], $2::int[], $3::int[], $4::uuid[], $5::text[], $6::text[], $7::int[], $8::float8[], $9::uuid[],
      $10::uuid[], $11::text[])
      AS s (run_id, step_index, item_index, id, step_id, worker_group, priority, queue_timeout, token, worker_id,
        sandbox_level)`,
};

export const INSERT_ITEM_CHUNKS = {
  name: "insert-item-chunks",
  text: `
    INSERT INTO step_items (run_id, step_index, chunk, items)
    SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::jsonb[])`,
};

export const COUNT_ITEMS = {
  name: "count-items",
  text: `
    UPDATE step_runs s SET status = 'running', started_at = COALESCE(s.started_at, now()), items_total = u.total,
      items_next = u.next, items_ended = u.ended, items_failed = u.failed, error = u.error
    FROM unnest($1::uuid[], $2::int[], $3::int[], $4::int[], $5::int[], $6::int[], $7::int[], $8::jsonb[])
      AS u (run_id, step_index, item_index, total, next, ended, failed, error)
    WHERE s.run_id = u.run_id AND s.step_index = u.step_index AND s.item_index = u.item_index`,
};

export const CANCEL_ITEMS = {
  name: "cancel-items",
  text: `
    UPDATE step_runs s SET status = 'canceled', error = u.error, finished_at = now(), lease_token = NULL,
      waiting_for = NULL, due_at = NULL
    FROM unnest($1::uuid[], $2::int[], $3::jsonb[]) AS u (run_id, step_index, error)
    WHERE s.run_id = u.run_id AND s.step_index = u.step_index AND s.item_index >= 0
      AND s.status IN ('queued', 'running', 'waiting')`,
};

/** `since` and `until` are written down by the database's clock. */
export const HOLD_STEPS = {
  name: "hold-steps",
  text: `
    UPDATE step_runs s SET status = 'waiting', started_at = COALESCE(s.started_at, now()), inputs = u.inputs,
      approval = u.approval, due_at = h.due_at,
      -- a step that waits for its app stays its worker's
      lease_token = CASE WHEN u.waiting ->> 'reason' = 'submit' THEN s.lease_token END,
      waiting_for = jsonb_build_array(u.waiting || jsonb_strip_nulls(jsonb_build_object(
        'since', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'until', to_char(h.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))))
    FROM unnest($1::uuid[], $2::int[], $3::int[], $4::jsonb[], $5::jsonb[], $6::float8[], $7::timestamptz[], $8::jsonb[])
      AS u (run_id, step_index, item_index, inputs, approval, due_ms, due_at, waiting),
      LATERAL (SELECT COALESCE(u.due_at, now() + make_interval(secs => u.due_ms / 1000.0)) AS due_at) AS h
    WHERE s.run_id = u.run_id AND s.step_index = u.step_index AND s.item_index = u.item_index`,
};

export const RECORD_APPROVALS = {
  name: "record-approvals",
  text: `
    UPDATE step_runs s SET approval = u.approval
    FROM unnest($1::uuid[], $2::int[], $3::int[], $4::jsonb[]) AS u (run_id, step_index, item_index, approval)
    WHERE s.run_id = u.run_id AND s.step_index = u.step_index AND s.item_index = u.item_index`,
};

export const CALL_RUNS = {
  name: "call-runs",
  text: `
    UPDATE step_runs s SET status = 'running', started_at = now(), inputs = u.inputs, child_run_id = u.child_run_id,
      due_at = now() + make_interval(secs => u.timeout)
    FROM unnest($1::uuid[], $2::int[], $3::int[], $4::jsonb[], $5::uuid[], $6::float8[])
      AS u (run_id, step_index, item_index, inputs, child_run_id, timeout)
    WHERE s.run_id = u.run_id AND s.step_index = u.step_index AND s.item_index = u.item_index`,
};

/** Runs after INSERT_STEPS: what a rerun takes over from the run before. */
export const COPY_RESULTS = {
  name: "copy-results",
  text: `
    UPDATE step_runs s SET inputs = o.inputs, output = o.output, output_artifact_id = o.output_artifact_id,
      started_at = o.started_at, finished_at = o.finished_at, attempt = o.attempt, worker_id = o.worker_id,
      sandbox_level = o.sandbox_level, child_run_id = o.child_run_id, error = o.error
    FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::int[]) AS u (run_id, step_index, from_run_id, from_index)
    JOIN step_runs o ON o.run_id = u.from_run_id AND o.step_index = u.from_index AND o.item_index = -1
    WHERE s.run_id = u.run_id AND s.step_index = u.step_index AND s.item_index = -1`,
};

/**
 * Runs after COPY_RESULTS: files and large outputs become the new run's own, so that they are shown and kept as such.
 * Bytes are stored by their hash, so none are copied. An id's first part is its time: files keep their order.
 */
export const COPY_ARTIFACTS = {
  name: "copy-artifacts",
  text: `
    WITH taken AS (
      SELECT u.run_id AS new_run_id, u.step_index AS new_step_index, a.*, a.id = o.output_artifact_id AS is_output,
        overlay(gen_random_uuid()::text PLACING left(a.id::text, 18) FROM 1)::uuid AS new_id
      FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::int[]) AS u (run_id, step_index, from_run_id, from_index)
      JOIN step_runs o ON o.run_id = u.from_run_id AND o.step_index = u.from_index AND o.item_index = -1
      JOIN artifacts a ON a.run_id = u.from_run_id AND a.step_index = u.from_index AND a.item_index = -1
        AND (a.kind = 'file' OR a.id = o.output_artifact_id)
    ), copied AS (
      INSERT INTO artifacts (id, run_id, step_index, item_index, attempt, kind, name, content_type, size_bytes, sha256)
      SELECT new_id, new_run_id, new_step_index, -1, attempt, kind, name, content_type, size_bytes, sha256 FROM taken
    )
    UPDATE step_runs s SET output_artifact_id = taken.new_id FROM taken
    WHERE taken.is_output AND s.run_id = taken.new_run_id AND s.step_index = taken.new_step_index AND s.item_index = -1`,
};

/** How long `finally` steps of a stopped run may take. */
const ENDING_TIMEOUT = "15 minutes";

/** Runs last: a collected output must see what END_STEPS of the same flush wrote. */
export const UPDATE_RUNS = {
  name: "update-runs",
  text: `
    UPDATE workflow_runs r SET status = u.status, step_states = u.step_states, last_seq = u.last_seq, error = u.error,
      started_at = CASE WHEN u.has_started THEN now() ELSE r.started_at END,
      -- a run may start and be stopped in one flush
      deadline_at = CASE WHEN u.ending IS NOT NULL AND r.ending IS NULL THEN now() + interval '${ENDING_TIMEOUT}'
        WHEN u.has_started AND u.timeout_s IS NOT NULL THEN now() + make_interval(secs => u.timeout_s)
        ELSE r.deadline_at END,
      ending = u.ending, flow = u.flow,
      finished_at = CASE WHEN u.is_ended THEN now() END,
      output = CASE WHEN u.collect IS NULL THEN u.output ELSE (
        SELECT jsonb_object_agg(s.step_id,
          CASE WHEN s.output_artifact_id IS NULL THEN s.output ELSE jsonb_build_object('$artifact', s.output_artifact_id) END)
        FROM step_runs s WHERE s.run_id = r.id AND s.step_index = ANY (string_to_array(u.collect, ',')::int[])
          AND s.item_index = -1 AND s.status = 'succeeded') END
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::jsonb[], $6::boolean[], $7::float8[], $8::boolean[],
      $9::jsonb[], $10::text[], $11::text[], $12::int[])
      AS u (id, status, step_states, last_seq, error, has_started, timeout_s, is_ended, output, collect, ending, flow)
    WHERE r.id = u.id`,
};
