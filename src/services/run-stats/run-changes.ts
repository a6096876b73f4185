import { binOf } from "./duration-bins.js";

const ENDED = "('run.succeeded', 'run.failed', 'run.canceled')";

/**
 * SQL of what events from `:since` on, and before `:until`, change about the statistics: `at`, `type`, when the run was
 * created, `moved` (1 when it began to wait for its start, -1 when it stopped waiting), and the `bin` of its duration.
 * An event has the time of its transaction, as the columns that were written with it.
 */
export const RUN_CHANGES = `
  SELECT event.at, event.type, run.created_at,
    CASE
      WHEN event.type = 'run.queued' THEN 1
      WHEN event.type = 'run.started' AND event.at = run.started_at THEN -1
      WHEN event.type IN ${ENDED} AND run.started_at IS NULL THEN -1
      ELSE 0
    END AS moved,
    CASE WHEN event.type IN ${ENDED} AND run.started_at IS NOT NULL
      THEN ${binOf("extract(epoch FROM run.finished_at - run.started_at) * 1000")} END AS bin
  FROM run_events event JOIN workflow_runs run ON run.id = event.run_id
  WHERE event.type LIKE 'run.%' AND event.type <> 'run.waiting' AND event.at >= :since AND event.at < :until`;

/** Runs are looked up by their ids, however many PostgreSQL expects: for a transaction. */
export const LOOK_UP_RUNS =
  "SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true)";
