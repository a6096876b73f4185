import type { Knex } from "knex";
import type { RunPlan } from "../../../core/plan.js";
import { usesOf } from "../../../core/workflow-graph.js";
import { NO_HISTORY, type Spread, type StepHistory, type WorkflowHistory } from "./workflow-history.js";

/** Runs that are looked at, at most. */
const MOST_RUNS = 200;
/** Step runs that are looked at, about: large workflows show fewer runs. */
const MOST_STEP_RUNS = 40_000;
/** Items of one `forEach` that count, in each run. */
const MOST_ITEMS = 50;
const STATEMENT_MS = 10_000;

interface RunRow {
  readonly id: string;
  readonly status: string;
  readonly version_id: string;
  readonly duration_ms: number | null;
}

interface StepRow {
  readonly step_id: string;
  readonly executions: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly recovered: number;
  readonly failed_run_ids: string[] | null;
  readonly durations: number[] | null;
  readonly failed_durations: number[] | null;
  readonly output_bytes: number[] | null;
  readonly input_bytes: number[] | null;
  readonly items: number[] | null;
}

interface RepeatRow {
  readonly step_id: string;
  readonly repeats: number;
  readonly repeated_inputs: number;
  readonly unsteady_inputs: number;
  readonly run_ids: string[];
}

/**
 * What the newest ended runs of a workflow show of the steps of a plan. A step counts only where it ran the same
 * component version as in the plan, whatever else has changed. Costs a few bounded queries, however long the history.
 */
export async function readHistory(knex: Knex, workflowId: string, plan: RunPlan): Promise<WorkflowHistory> {
  const most = Math.max(5, Math.min(MOST_RUNS, Math.floor(MOST_STEP_RUNS / Math.max(1, plan.steps.length))));
  return await knex.transaction(
    async (trx) => {
      await trx.raw(`SET LOCAL statement_timeout = ${STATEMENT_MS}`);
      const runs = await readRuns(trx, workflowId, most);
      if (runs.length === 0) return NO_HISTORY;
      const scope = await findScope(trx, runs, plan);
      const [steps, errors, repeats] = [
        await readSteps(trx, scope),
        await readErrors(trx, scope),
        await readRepeats(trx, scope),
      ];
      return toHistory(runs, steps, { errors, repeats });
    },
    { readOnly: true },
  );
}

async function readRuns(trx: Knex, workflowId: string, most: number): Promise<RunRow[]> {
  const { rows } = await trx.raw<{ rows: RunRow[] }>(
    `SELECT id, status, workflow_version_id AS version_id,
       (extract(epoch FROM finished_at - started_at) * 1000)::float8 AS duration_ms
     FROM workflow_runs
     WHERE workflow_id = ? AND finished_at IS NOT NULL AND trigger <> 'test'
     ORDER BY id DESC LIMIT ${most}`,
    [workflowId],
  );
  return rows;
}

/** The runs, and the steps of each version that are the plan's. */
interface Scope {
  readonly runIds: readonly string[];
  /** `run id` by place; the same place in `stepIndexes` holds the step's index there. */
  readonly pairs: string;
}

async function findScope(trx: Knex, runs: readonly RunRow[], plan: RunPlan): Promise<Scope> {
  const versionIds = [...new Set(runs.map((run) => run.version_id))];
  const versions: { id: string; plan: RunPlan }[] = await trx("workflow_versions")
    .select("id", "plan")
    .whereIn("id", versionIds);
  const wanted = new Map(plan.steps.map((step) => [step.id, usesOf(step.target)]));
  const pairs = versions.flatMap((version) =>
    version.plan.steps
      .filter((step) => wanted.get(step.id) === usesOf(step.target))
      .map((step) => ({ version_id: version.id, step_index: step.index })),
  );
  return { runIds: runs.map((run) => run.id), pairs: JSON.stringify(pairs) };
}

/** Rows of steps in scope. */
const SCOPED = `
  wanted AS MATERIALIZED (
    SELECT run.id AS run_id, pair.step_index
    FROM jsonb_to_recordset(?::jsonb) AS pair(version_id uuid, step_index integer)
    JOIN workflow_runs AS run ON run.workflow_version_id = pair.version_id AND run.id = ANY(?::uuid[])
  ),
  seen AS MATERIALIZED (
    SELECT step.*, file.size_bytes AS file_bytes, file.sha256 AS file_hash, (extract(epoch FROM step.finished_at - step.started_at) * 1000)::float8 AS duration_ms
    FROM step_runs AS step
    JOIN wanted ON wanted.run_id = step.run_id AND wanted.step_index = step.step_index
    LEFT JOIN artifacts AS file ON file.id = step.output_artifact_id
    WHERE step.run_id = ANY(?::uuid[]) AND step.item_index < ${MOST_ITEMS}
  )`;

function bindings({ pairs, runIds }: Scope) {
  return [pairs, [...runIds], [...runIds]];
}

const SPREAD = (value: string, filter: string) =>
  `percentile_cont(ARRAY[0.5, 0.95, 1]) WITHIN GROUP (ORDER BY ${value}) FILTER (WHERE ${filter})`;

async function readSteps(trx: Knex, scope: Scope): Promise<StepRow[]> {
  // the row that stands for a whole forEach is no execution: its items are
  const isExecution = "items_total IS NULL";
  const isFresh = `${isExecution} AND status = 'succeeded' AND NOT cache_hit AND duration_ms IS NOT NULL`;
  const { rows } = await trx.raw<{ rows: StepRow[] }>(
    `WITH ${SCOPED}
     SELECT step_id,
       (count(*) FILTER (WHERE ${isExecution} AND status IN ('succeeded', 'failed')))::int AS executions,
       (count(*) FILTER (WHERE ${isExecution} AND status = 'succeeded'))::int AS succeeded,
       (count(*) FILTER (WHERE ${isExecution} AND status = 'failed'))::int AS failed,
       (count(*) FILTER (WHERE ${isExecution} AND status = 'succeeded'
         AND attempt > 1 + lost_count + released_count))::int AS recovered,
       (array_agg(DISTINCT run_id) FILTER (WHERE status = 'failed')) AS failed_run_ids,
       ${SPREAD("duration_ms", isFresh)} AS durations,
       ${SPREAD("duration_ms", `${isExecution} AND status = 'failed' AND duration_ms IS NOT NULL`)} AS failed_durations,
       ${SPREAD("coalesce(octet_length(seen.output::text), seen.file_bytes)::float8", "status = 'succeeded'")} AS output_bytes,
       ${SPREAD("octet_length(seen.inputs::text)::float8", `${isExecution} AND seen.inputs IS NOT NULL`)} AS input_bytes,
       ${SPREAD("items_total::float8", "items_total IS NOT NULL")} AS items
     FROM seen GROUP BY step_id`,
    bindings(scope),
  );
  return rows;
}

async function readErrors(trx: Knex, scope: Scope): Promise<Map<string, Record<string, number>>> {
  const { rows } = await trx.raw<{ rows: { step_id: string; code: string; count: number }[] }>(
    `WITH ${SCOPED}, errors AS (
       SELECT step_id, error ->> 'code' AS code FROM seen WHERE status = 'failed'
       UNION ALL
       SELECT seen.step_id, attempt.error ->> 'code' FROM seen
       JOIN step_attempts AS attempt USING (run_id, step_index, item_index)
       WHERE attempt.run_id = ANY(?::uuid[]) AND attempt.status = 'failed'
     )
     SELECT step_id, code, count(*)::int AS count FROM errors WHERE code IS NOT NULL GROUP BY 1, 2`,
    [...bindings(scope), [...scope.runIds]],
  );
  const byStep = new Map<string, Record<string, number>>();
  for (const { step_id: stepId, code, count } of rows)
    byStep.set(stepId, { ...byStep.get(stepId), [code]: count });
  return byStep;
}

async function readRepeats(trx: Knex, scope: Scope): Promise<RepeatRow[]> {
  const { rows } = await trx.raw<{ rows: RepeatRow[] }>(
    `WITH ${SCOPED}, results AS (
       SELECT step_id, run_id, md5(seen.inputs::text) AS inputs,
         coalesce(md5(seen.output::text), file_hash) AS output
       FROM seen
       WHERE status = 'succeeded' AND items_total IS NULL AND NOT cache_hit AND seen.inputs IS NOT NULL
     ), grouped AS (
       SELECT step_id, count(*) AS count, count(DISTINCT output) AS outputs, max(run_id::text) AS run_id
       FROM results GROUP BY step_id, inputs HAVING count(*) > 1
     )
     SELECT step_id, sum(count - 1)::int AS repeats, count(*)::int AS repeated_inputs,
       (count(*) FILTER (WHERE outputs <> 1))::int AS unsteady_inputs,
       (array_agg(run_id ORDER BY run_id DESC))[1:10] AS run_ids
     FROM grouped GROUP BY step_id`,
    bindings(scope),
  );
  return rows;
}

function toHistory(
  runs: readonly RunRow[],
  steps: readonly StepRow[],
  more: {
    readonly errors: ReadonlyMap<string, Record<string, number>>;
    readonly repeats: readonly RepeatRow[];
  },
): WorkflowHistory {
  const repeats = new Map(more.repeats.map((row) => [row.step_id, row]));
  return {
    runs: runs.length,
    runIds: runs.slice(0, 10).map((run) => run.id),
    succeeded: runs.filter((run) => run.status === "succeeded").length,
    failedRunIds: runs.filter((run) => run.status === "failed").map((run) => run.id),
    durationMs: spreadOf(
      runs.flatMap((run) =>
        run.status === "succeeded" && run.duration_ms !== null ? [run.duration_ms] : [],
      ),
    ),
    steps: new Map(
      steps.map((row) => [
        row.step_id,
        toStepHistory(row, more.errors.get(row.step_id) ?? {}, repeats.get(row.step_id)),
      ]),
    ),
  };
}

function toStepHistory(
  row: StepRow,
  errorCodes: Readonly<Record<string, number>>,
  repeat: RepeatRow | undefined,
): StepHistory {
  return {
    stepId: row.step_id,
    executions: row.executions,
    succeeded: row.succeeded,
    failed: row.failed,
    errorCodes,
    recovered: row.recovered,
    failedRunIds: (row.failed_run_ids ?? []).sort().reverse().slice(0, 10),
    durationMs: toSpread(row.durations),
    failedDurationMs: toSpread(row.failed_durations),
    outputBytes: toSpread(row.output_bytes),
    inputBytes: toSpread(row.input_bytes),
    repeats: repeat?.repeats ?? 0,
    repeatedInputs: repeat?.repeated_inputs ?? 0,
    unsteadyInputs: repeat?.unsteady_inputs ?? 0,
    repeatRunIds: repeat?.run_ids ?? [],
    items: toSpread(row.items),
  };
}

function toSpread(values: readonly (number | null)[] | null): Spread | undefined {
  const [p50, p95, max] = values ?? [];
  if (p50 == null || p95 == null || max == null) return undefined;
  return { p50: Math.round(p50), p95: Math.round(p95), max: Math.round(max) };
}

/** The percentiles of some values; undefined of none. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((one, other) => one - other);
  const at = (share: number) => Math.round(sorted[Math.ceil(share * sorted.length) - 1] ?? 0);
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
}
