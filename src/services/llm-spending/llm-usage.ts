import type { Knex } from "knex";
import type {
  LlmUsage,
  LlmUsageQuery,
  LlmUsageSummary,
  UsageGroup,
} from "../../contracts/api/llm-budgets.js";
import { invalidFields } from "../../errors/app-error.js";

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;
const MOST_GROUPS = 1_000;
const ROWS_PER_DELETE = 5_000;

const KEYS: Readonly<Record<UsageGroup, string>> = {
  day: "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
  provider: "provider",
  model: "model",
  workflow: "workflow_name",
  run: "coalesce(run_id::text, workflow_name)",
};
const SUMS = `count(*)::int AS calls, coalesce(sum(input_tokens), 0)::bigint AS "inputTokens",
  coalesce(sum(output_tokens), 0)::bigint AS "outputTokens", coalesce(sum(cost), 0)::float8 AS cost`;

/** What was spent in a span, in groups. @throws AppError INVALID_FIELDS when it ends before it begins. */
export async function summarizeUsage(knex: Knex, query: LlmUsageQuery): Promise<LlmUsageSummary> {
  const to = query.to ?? new Date().toISOString();
  const from = query.from ?? new Date(Date.parse(to) - DEFAULT_DAYS * DAY_MS).toISOString();
  if (from >= to) throw invalidFields([{ path: "/from", message: "must be earlier than to" }]);
  const { groupBy } = query;
  const key = KEYS[groupBy];
  const order = groupBy === "day" ? "key" : "cost DESC, key";
  const span = "FROM llm_usage WHERE is_settled AND at >= ? AND at < ?";
  const [groups, total] = await Promise.all([
    knex.raw<{ rows: (LlmUsage & { key: string })[] }>(
      `SELECT ${key} AS key, ${SUMS} ${span} GROUP BY 1 ORDER BY ${order} LIMIT ${MOST_GROUPS}`,
      [from, to],
    ),
    knex.raw<{ rows: LlmUsage[] }>(`SELECT ${SUMS} ${span}`, [from, to]),
  ]);
  const none = { calls: 0, inputTokens: 0, outputTokens: 0, cost: 0 };
  return { from, to, groupBy, items: groups.rows, total: total.rows[0] ?? none };
}

/** What a run has spent; undefined when it has called no model. */
export async function readRunUsage(knex: Knex, runId: string): Promise<LlmUsage | undefined> {
  const { rows } = await knex.raw<{ rows: LlmUsage[] }>(
    `SELECT ${SUMS} FROM llm_usage WHERE is_settled AND run_id = ?`,
    [runId],
  );
  const [usage] = rows;
  return usage && usage.calls > 0 ? usage : undefined;
}

/** What each step of a run has spent in all its attempts, by `stepId/itemIndex`. */
export async function readStepUsage(knex: Knex, runId: string): Promise<Map<string, LlmUsage>> {
  const { rows } = await knex.raw<{ rows: (LlmUsage & { stepId: string; itemIndex: number })[] }>(
    `SELECT step_id AS "stepId", item_index AS "itemIndex", ${SUMS}
     FROM llm_usage WHERE is_settled AND run_id = ? GROUP BY 1, 2`,
    [runId],
  );
  return new Map(rows.map(({ stepId, itemIndex, ...usage }) => [`${stepId}/${itemIndex}`, usage]));
}

/** Deletes what was spent longer ago, a few rows at a time. @throws when the signal is aborted */
export async function removeOldUsage(knex: Knex, days: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const { rowCount } = await knex.raw<{ rowCount: number }>(
      `DELETE FROM llm_usage WHERE id IN (
         SELECT id FROM llm_usage WHERE at < now() - make_interval(days => ?) LIMIT ${ROWS_PER_DELETE})`,
      [days],
    );
    if (rowCount === 0) return;
  }
}
