import type { Knex } from "knex";
import { newId } from "../src/core/ids.js";
import type { RunPlan } from "../src/core/plan.js";

/** What was made. */
export interface GeneratedRuns {
  readonly workflowIds: string[];
  readonly versionId: string;
}

const ONE_STEP: RunPlan = {
  steps: [
    {
      id: "only",
      index: 0,
      target: { kind: "builtin", name: "noop" },
      inputs: {},
      dependencies: [],
      dependants: [],
      runAfter: "allSucceeded",
      retry: { maxAttempts: 1, backoff: "exponential", delaySeconds: 1, maxDelaySeconds: 60, jitter: false },
      onError: "fail",
      workerGroup: "default",
      priority: 0,
    },
  ],
};

/** A UUIDv7 of a moment, as PostgreSQL makes it; `salt` tells those of one moment apart. */
const uuidAt = (at: string, salt: string) =>
  `(lpad(to_hex((extract(epoch FROM ${at}) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0')
    || '8' || substr(md5(${salt}), 1, 15))::uuid`;

/**
 * Fills a database with ended runs of one step and their events, evenly over the last days up to now, of ten workflows:
 * nine of ten have succeeded. They are written as the engine leaves them, in the partitions of their months.
 */
export async function generateRuns(knex: Knex, count: number, days: number): Promise<GeneratedRuns> {
  const workflowIds = Array.from({ length: 10 }, () => newId());
  const versionId = newId();
  await knex("workflow_definitions").insert(
    workflowIds.map((id, index) => ({
      id,
      name: `generated-${index}`,
      latest_version: 1,
      published_version: 1,
    })),
  );
  await knex("workflow_versions").insert({
    id: versionId,
    workflow_definition_id: workflowIds[0],
    name: "generated-0",
    version: 1,
    definition: "{}",
    plan: JSON.stringify(ONE_STEP),
  });
  await knex.raw("SELECT create_run_partitions(now() - make_interval(days => ?), ?)", [
    days,
    Math.ceil(days / 28) + 1,
  ]);
  await knex.raw(
    `CREATE UNLOGGED TABLE generated AS
     SELECT n, at, ${uuidAt("at", "n::text")} AS id, ${uuidAt("at + interval '1 ms'", "'s' || n")} AS step_id,
       CASE WHEN n % 10 = 0 THEN 'failed' ELSE 'succeeded' END AS status,
       at + interval '1 second' AS started_at, at + make_interval(secs => 1 + n % 60) AS finished_at,
       (:workflowIds::uuid[])[1 + n % 10] AS workflow_id, 'generated-' || n % 10 AS workflow_name
     FROM (SELECT n, now() - make_interval(days => :days) * (1 - n::float8 / :count) AS at
           FROM generate_series(1, :count::int) AS n) AS moments`,
    { workflowIds, days, count },
  );
  await knex.raw(
    `INSERT INTO workflow_runs (id, workflow_id, workflow_version_id, workflow_name, workflow_version, status, trigger,
       input, created_by_name, created_at, started_at, finished_at, last_seq, step_states)
     SELECT id, workflow_id, ?, workflow_name, 1, status, 'api', '{}', 'generated', at, started_at, finished_at, 3,
       left(status, 1)
     FROM generated ORDER BY n`,
    [versionId],
  );
  await knex.raw(
    `INSERT INTO step_runs (run_id, step_index, id, step_id, status, worker_group, queued_at, started_at, finished_at)
     SELECT id, 0, step_id, 'only', status, 'default', at, started_at, finished_at FROM generated ORDER BY n`,
  );
  await knex.raw(
    `INSERT INTO run_events (run_id, seq, type, at)
     SELECT id, seq, CASE seq WHEN 1 THEN 'run.queued' WHEN 2 THEN 'run.started' ELSE 'run.' || status END,
       CASE seq WHEN 1 THEN at WHEN 2 THEN started_at ELSE finished_at END
     FROM generated CROSS JOIN generate_series(1, 3) AS seq ORDER BY n, seq`,
  );
  await knex.raw("DROP TABLE generated");
  for (const table of ["workflow_runs", "step_runs", "run_events"]) await knex.raw(`VACUUM ANALYZE ${table}`);
  return { workflowIds, versionId };
}
