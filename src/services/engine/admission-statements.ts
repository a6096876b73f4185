import type { Knex } from "knex";
import type { RateWindow, SlotHolder, Slots } from "../../core/admission.js";
import type { RateLimitRule } from "../../core/plan.js";
import type { Transition } from "../../core/transition.js";

/** The keys of a line: held runs of one workflow that wait for the same. */
export interface LineKeys {
  readonly concurrencyKey: string;
  readonly rateKey: string;
}

/** One held run, with what its line's runs share. */
export interface HeldRow {
  readonly concurrency_key: string;
  readonly rate_key: string;
  readonly last_admitted_ms: number | null;
  readonly id: string;
  readonly workflow_version_id: string;
  readonly priority: number;
}

/** A decision that is stored and not applied yet. */
export interface StoredAdmission {
  readonly id: string;
  readonly workflow_version_id: string;
  readonly admission: Extract<Transition, { kind: "admit" | "cancel" }>;
}

/** Lines that one look takes on, and held runs of all of them, shared out evenly. */
export const MOST_LINES = 200;
const MOST_RUNS = 400;
/** Slot holders that are named. */
const MOST_HOLDERS = 100;
/** How long a turn waits for the one before it, and for its own statements. */
const LOCK_LIMIT_MS = 5000;
const STATEMENT_LIMIT_MS = 10_000;

/** Held and not judged yet; the first part is the predicate of the index. */
const HELD = "admitted_at IS NULL AND finished_at IS NULL";
const KEYS = "coalesce(concurrency_key, ''), coalesce(rate_key, '')";

/**
 * Takes the workflow's turn: admissions of one workflow never overlap. Held until the transaction ends. Within it the
 * indexes give the order: statistics that take lines for short would have the planner read and sort each whole line.
 */
export async function lockAdmission(trx: Knex.Transaction, workflowId: string): Promise<void> {
  await trx.raw(
    `SELECT set_config('lock_timeout', ?, true), set_config('statement_timeout', ?, true),
       set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true), set_config('jit', 'off', true),
       pg_advisory_xact_lock(hashtextextended('headrace.admission:' || ?, 0))`,
    [String(LOCK_LIMIT_MS), String(STATEMENT_LIMIT_MS), workflowId],
  );
}

/** The lines of a workflow in the order of their keys, from one on; each costs an index lookup, however long it is. */
export async function readLines(
  trx: Knex.Transaction,
  workflowId: string,
  from: LineKeys,
): Promise<LineKeys[]> {
  const line = (condition: string) =>
    `SELECT coalesce(concurrency_key, '') AS "concurrencyKey", coalesce(rate_key, '') AS "rateKey"
     FROM workflow_runs WHERE workflow_id = :workflowId AND ${HELD} AND ${condition}
     ORDER BY workflow_id, ${KEYS} LIMIT 1`;
  const { rows } = await trx.raw<{ rows: LineKeys[] }>(
    `WITH RECURSIVE lines AS (
       (${line(`(${KEYS}) >= (:concurrencyKey, :rateKey)`)})
       UNION ALL
       SELECT further.* FROM lines CROSS JOIN LATERAL (
         ${line(`(${KEYS}) > (lines."concurrencyKey", lines."rateKey")`)}
       ) AS further
     )
     SELECT * FROM lines LIMIT :most`,
    { workflowId, ...from, most: MOST_LINES },
  );
  return rows;
}

/** How many runs of each line one look takes on. */
export function mostRunsOfLine(lineCount: number): number {
  return Math.max(1, Math.floor(MOST_RUNS / lineCount));
}

/** The first held runs of each line that may start by now, and when the line had its last turn. */
export async function readHeldRuns(
  trx: Knex.Transaction,
  workflowId: string,
  lines: readonly LineKeys[],
): Promise<HeldRow[]> {
  const { rows } = await trx.raw<{ rows: HeldRow[] }>(
    `SELECT line.concurrency_key, line.rate_key, held.id, held.workflow_version_id, held.priority,
       extract(epoch FROM last.admitted_at)::float8 * 1000 AS last_admitted_ms
     FROM unnest(:concurrencyKeys::text[], :rateKeys::text[]) AS line (concurrency_key, rate_key)
     CROSS JOIN LATERAL (
       SELECT id, workflow_version_id, priority FROM workflow_runs
       WHERE workflow_id = :workflowId AND coalesce(concurrency_key, '') = line.concurrency_key
         AND coalesce(rate_key, '') = line.rate_key AND ${HELD} AND admission IS NULL AND available_at <= now()
       ORDER BY priority DESC, id LIMIT :most
     ) AS held
     LEFT JOIN LATERAL (
       SELECT admitted_at FROM workflow_runs
       WHERE workflow_id = :workflowId AND coalesce(concurrency_key, '') = line.concurrency_key
         AND coalesce(rate_key, '') = line.rate_key AND admitted_at IS NOT NULL
         AND (concurrency_key IS NOT NULL OR rate_key IS NOT NULL)
       ORDER BY admitted_at DESC LIMIT 1
     ) AS last ON true
     ORDER BY line.concurrency_key, line.rate_key, held.priority DESC, held.id`,
    {
      workflowId,
      concurrencyKeys: lines.map((line) => line.concurrencyKey),
      rateKeys: lines.map((line) => line.rateKey),
      most: mostRunsOfLine(lines.length),
    },
  );
  return rows;
}

/** Who has the slots of some concurrency keys: rows, so that nothing can leak. */
export async function readSlots(
  db: Knex,
  workflowId: string,
  keys: readonly string[],
): Promise<Map<string, Slots>> {
  if (keys.length === 0) return new Map();
  const { rows } = await db.raw<{
    rows: { key: string; taken: number; active: number; holders: SlotHolder[] | null }[];
  }>(
    `SELECT wanted.key, counted.taken, counted.active, oldest.holders
     FROM unnest(:keys::text[]) AS wanted (key)
     CROSS JOIN LATERAL (
       SELECT count(*)::int AS taken, (count(*) FILTER (WHERE ending IS NULL))::int AS active
       FROM workflow_runs WHERE workflow_id = :workflowId AND concurrency_key = wanted.key
         AND admitted_at IS NOT NULL AND finished_at IS NULL
     ) AS counted
     CROSS JOIN LATERAL (
       SELECT json_agg(json_build_object('id', id, 'versionId', workflow_version_id) ORDER BY admitted_at, id) AS holders
       FROM (
         SELECT id, workflow_version_id, admitted_at FROM workflow_runs
         WHERE workflow_id = :workflowId AND concurrency_key = wanted.key
           AND admitted_at IS NOT NULL AND finished_at IS NULL AND ending IS NULL
         ORDER BY admitted_at, id LIMIT :most
       ) AS first
     ) AS oldest`,
    { workflowId, keys: [...keys], most: MOST_HOLDERS },
  );
  return new Map(
    rows.map(({ key, taken, active, holders }) => [key, { taken, active, holders: holders ?? [] }]),
  );
}

/** A rate key with the rule that a run's version has for it. */
export type RateQuestion = RateLimitRule & { readonly rateKey: string };

/** How full some rate windows are, by the database's clock, and when the oldest admission leaves each. */
export async function readWindows(
  db: Knex,
  workflowId: string,
  questions: readonly RateQuestion[],
): Promise<(RateWindow & { readonly freeAt: Date | null })[]> {
  if (questions.length === 0) return [];
  const { rows } = await db.raw<{ rows: (RateWindow & { freeAt: Date | null })[] }>(
    `SELECT wanted.key AS "rateKey", wanted.most AS "limit", wanted.seconds, lately.used,
       coalesce(greatest(0, extract(epoch FROM lately.oldest + make_interval(secs => wanted.seconds)
         - clock_timestamp()) * 1000), 0)::float8 AS "freeInMs",
       lately.oldest + make_interval(secs => wanted.seconds) AS "freeAt"
     FROM unnest(:keys::text[], :limits::bigint[], :seconds::int[]) AS wanted (key, most, seconds)
     CROSS JOIN LATERAL (
       SELECT count(*)::int AS used, min(admitted_at) AS oldest FROM (
         SELECT admitted_at FROM workflow_runs
         WHERE workflow_id = :workflowId AND rate_key = wanted.key
           AND admitted_at > (SELECT clock_timestamp()) - make_interval(secs => wanted.seconds)
         ORDER BY admitted_at DESC LIMIT wanted.most
       ) AS newest
     ) AS lately`,
    {
      workflowId,
      keys: questions.map((question) => question.rateKey),
      limits: questions.map((question) => question.limit),
      seconds: questions.map((question) => question.seconds),
    },
  );
  return rows;
}

/**
 * Stores what was decided for held runs; `admit` takes the slot with it. Locks in the order of ids, as the engine
 * does. Leaves out runs that have ended meanwhile.
 */
export async function storeAdmissions(
  trx: Knex.Transaction,
  decisions: readonly { readonly runId: string; readonly transition: StoredAdmission["admission"] }[],
): Promise<StoredAdmission[]> {
  const { rows } = await trx.raw<{ rows: StoredAdmission[] }>(
    `WITH decided AS (
       SELECT run.id, wanted.admission FROM unnest(:ids::uuid[], :admissions::jsonb[]) AS wanted (id, admission)
       JOIN workflow_runs AS run ON run.id = wanted.id
       WHERE run.admitted_at IS NULL AND run.finished_at IS NULL AND run.admission IS NULL
       ORDER BY run.id FOR NO KEY UPDATE OF run
     )
     UPDATE workflow_runs AS run SET admission = decided.admission,
       -- not now(): the transaction began before it had its turn
       admitted_at = CASE WHEN decided.admission ->> 'kind' = 'admit' THEN clock_timestamp() END
     FROM decided WHERE run.id = decided.id
     RETURNING run.id, run.workflow_version_id, run.admission`,
    {
      ids: decisions.map((decision) => decision.runId),
      admissions: decisions.map((decision) => JSON.stringify(decision.transition)),
    },
  );
  return rows;
}

/** Strikes off decisions that were applied. */
export async function clearAdmissions(knex: Knex, runIds: readonly string[]): Promise<void> {
  await knex.raw(
    `WITH applied AS (
       SELECT id FROM workflow_runs WHERE id = ANY (?::uuid[]) AND admission IS NOT NULL
       ORDER BY id FOR NO KEY UPDATE
     )
     UPDATE workflow_runs AS run SET admission = NULL FROM applied WHERE run.id = applied.id`,
    [[...runIds]],
  );
}

/** Decisions that nobody lived to apply. */
export async function readLeftAdmissions(knex: Knex, most: number): Promise<StoredAdmission[]> {
  return (await knex("workflow_runs")
    .whereNotNull("admission")
    .orderBy("id")
    .limit(most)
    .select("id", "workflow_version_id", "admission")) as StoredAdmission[];
}

/** Workflows with held runs that are not paused: an index lookup for each, whatever the lines' length. */
export async function readWaitingWorkflows(knex: Knex): Promise<string[]> {
  const { rows } = await knex.raw<{ rows: { id: string }[] }>(
    `WITH RECURSIVE waiting AS (
       (SELECT workflow_id AS id FROM workflow_runs WHERE ${HELD} AND workflow_id IS NOT NULL
        ORDER BY workflow_id LIMIT 1)
       UNION ALL
       SELECT further.id FROM waiting CROSS JOIN LATERAL (
         SELECT workflow_id AS id FROM workflow_runs WHERE ${HELD} AND workflow_id > waiting.id
         ORDER BY workflow_id LIMIT 1
       ) AS further
     )
     SELECT waiting.id FROM waiting
     LEFT JOIN workflow_definitions AS workflow ON workflow.id = waiting.id
     WHERE workflow.paused_at IS NULL`,
  );
  return rows.map((row) => row.id);
}

/** Whether new runs of a workflow are held; false for one that is gone. */
export async function isWorkflowPaused(db: Knex, workflowId: string): Promise<boolean> {
  const row = await db("workflow_definitions").first("paused_at").where("id", workflowId);
  return row !== undefined && row.paused_at !== null;
}
