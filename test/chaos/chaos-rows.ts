import type { RunPlan } from "../../src/core/plan.js";
import type { RunError, RunStatus, StepStatus } from "../../src/core/statuses.js";
import type { ChaosInstallation } from "./chaos-installation.js";

/** A run as its row says. Times are milliseconds since the epoch. */
export interface RunRow {
  readonly id: string;
  readonly status: RunStatus;
  readonly number: string | null;
  readonly version_id: string;
  readonly workflow_name: string;
  readonly workflow_id: string | null;
  readonly parent_run_id: string | null;
  readonly parent_step_index: number | null;
  readonly parent_item_index: number | null;
  readonly replay_of: string | null;
  readonly last_seq: number;
  readonly step_states: string;
  readonly error: RunError | null;
  readonly concurrency_key: string | null;
  readonly created_at: number;
  readonly admitted_at: number | null;
  readonly finished_at: number | null;
  readonly has_admission: boolean;
}

/** A step run. */
export interface StepRow {
  readonly run_id: string;
  readonly step_index: number;
  readonly item_index: number;
  readonly step_id: string;
  readonly status: StepStatus;
  readonly attempt: number;
  readonly lost_count: number;
  readonly has_lease: boolean;
  readonly is_reused: boolean;
  readonly kept_attempts: number;
  readonly started_at: number | null;
  readonly finished_at: number | null;
}

/** An event. */
export interface EventRow {
  readonly run_id: string;
  readonly seq: number;
  readonly type: string;
  readonly step_id: string | null;
  readonly item_index: number | null;
  readonly attempt: number | null;
  readonly is_reused: boolean;
}

/** Everything that was written down. */
export interface ChaosRows {
  readonly runs: readonly RunRow[];
  readonly steps: readonly StepRow[];
  readonly events: readonly EventRow[];
  readonly plans: ReadonlyMap<string, RunPlan>;
  /** Attempts that a dead worker has left: whose, and when they were taken away from it. */
  readonly lostAttempts: readonly { readonly pid: number | null; readonly at: number }[];
  /** When steps were started. */
  readonly starts: readonly number[];
}

const ms = (column: string) =>
  `(extract(epoch FROM ${column}) * 1000)::float8 AS ${column.replace(/^.*\./, "")}`;

/** Reads it all. */
export async function readChaosRows({ query }: Pick<ChaosInstallation, "query">): Promise<ChaosRows> {
  const runs = await query<RunRow>(
    `SELECT id, status, labels ->> 'chaos' AS number, workflow_version_id AS version_id, workflow_name, workflow_id,
       parent_run_id, parent_step_index, parent_item_index, replay_of, last_seq::int, step_states, error,
       concurrency_key, admission IS NOT NULL AS has_admission,
       ${ms("created_at")}, ${ms("admitted_at")}, ${ms("finished_at")}
     FROM workflow_runs ORDER BY id`,
  );
  const steps = await query<StepRow>(
    `SELECT s.run_id, s.step_index, s.item_index, s.step_id, s.status, s.attempt, s.lost_count,
       s.lease_token IS NOT NULL AS has_lease, ${ms("s.started_at")}, ${ms("s.finished_at")},
       EXISTS (SELECT FROM run_events e WHERE e.run_id = s.run_id AND e.step_id = s.step_id
         AND e.data ->> 'reused' = 'true') AS is_reused,
       (SELECT count(*)::int FROM step_attempts a WHERE a.run_id = s.run_id AND a.step_index = s.step_index
         AND a.item_index = s.item_index) AS kept_attempts
     FROM step_runs s`,
  );
  const events = await query<EventRow>(
    `SELECT run_id, seq::int, type, step_id, item_index, attempt, data ->> 'reused' = 'true' AS is_reused
     FROM run_events ORDER BY run_id, seq`,
  );
  const versions = await query<{ id: string; plan: RunPlan }>("SELECT id, plan FROM workflow_versions");
  const lostAttempts = await query<{ pid: number | null; at: number }>(
    `SELECT w.pid, (extract(epoch FROM a.finished_at) * 1000)::float8 AS at
     FROM step_attempts a LEFT JOIN workers w ON w.id = a.worker_id WHERE a.error ->> 'code' = 'worker_lost'`,
  );
  const starts = await query<{ at: number }>(
    `SELECT (extract(epoch FROM at) * 1000)::float8 AS at FROM run_events WHERE type = 'step.started' ORDER BY at`,
  );
  return {
    runs,
    steps,
    events,
    plans: new Map(versions.map(({ id, plan }) => [id, plan])),
    lostAttempts,
    starts: starts.map(({ at }) => at),
  };
}
