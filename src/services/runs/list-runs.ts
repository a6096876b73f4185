import type { Knex } from "knex";
import type { LabelFilter, RunSummary } from "../../contracts/api/runs.js";
import { firstIdAt, isUuid } from "../../core/ids.js";
import type { RunStatus, RunTrigger } from "../../core/statuses.js";
import { type Page, type PageRequest, parseCursor, toCursor } from "../../models/repository.js";
import { presentRunSummary, RUN_SUMMARY_COLUMNS, type RunSummaryRow } from "./present-run.js";

/** What narrows a list of runs. All given conditions must hold. */
export interface RunFilter {
  readonly status?: RunStatus | undefined;
  /** Name or id. */
  readonly workflow?: string | undefined;
  readonly trigger?: RunTrigger | undefined;
  readonly label?: readonly LabelFilter[] | undefined;
  /** ISO 8601, exclusive. */
  readonly createdAfter?: string | undefined;
  /** ISO 8601, exclusive. */
  readonly createdBefore?: string | undefined;
}

/** An id carries the clock of the process that made it, `created_at` the database's: they may differ by this much. */
const CLOCK_SKEW_MS = 10 * 60_000;

/** One page of runs, newest first. Every condition has an index, and times also bound ids, so partitions prune. */
export async function listRuns(knex: Knex, filter: RunFilter, page: PageRequest): Promise<Page<RunSummary>> {
  const after = parseCursor(page.cursor);
  const narrow = await prepareRunFilter(knex, filter);
  if (!narrow) return { items: [], nextCursor: null };
  const query = knex<RunSummaryRow>("workflow_runs")
    .select(...RUN_SUMMARY_COLUMNS)
    .orderBy("id", "desc")
    .limit(page.limit + 1);
  if (after !== undefined) void query.where("id", "<", after);
  narrow(query);
  const rows = (await query) as RunSummaryRow[];
  const shown = rows.slice(0, page.limit);
  const last = shown.at(-1);
  return {
    items: shown.map(presentRunSummary),
    nextCursor: rows.length > page.limit && last ? toCursor(last.id) : null,
  };
}

/**
 * What narrows a query over `workflow_runs` to what a filter leaves; undefined when that is nothing. Looks the
 * workflow's name up, so it is asked for beforehand.
 */
export async function prepareRunFilter(
  knex: Knex,
  filter: RunFilter,
): Promise<((query: Knex.QueryBuilder) => void) | undefined> {
  const workflowId = filter.workflow === undefined ? undefined : await findWorkflowId(knex, filter.workflow);
  if (workflowId === null) return undefined;
  return (query) => {
    if (workflowId !== undefined) void query.where("workflow_id", workflowId);
    if (filter.status !== undefined) void query.where("status", filter.status);
    if (filter.trigger !== undefined) void query.where("trigger", filter.trigger);
    narrowByLabels(query, filter.label ?? []);
    narrowByTime(query, filter);
  };
}

/** The id of the workflow that is meant; null when no run can be of it. A deleted workflow is still found by id. */
async function findWorkflowId(knex: Knex, nameOrId: string): Promise<string | null> {
  const query = knex("workflow_definitions").select("id").where("name", nameOrId);
  if (isUuid(nameOrId)) void query.orWhere("id", nameOrId);
  const rows = (await query) as { id: string }[];
  const byId = rows.find((row) => row.id === nameOrId.toLowerCase());
  return byId?.id ?? rows[0]?.id ?? (isUuid(nameOrId) ? nameOrId : null);
}

function narrowByLabels(query: Knex.QueryBuilder, labels: readonly LabelFilter[]): void {
  if (labels.length === 0) return;
  // the index leaves out runs without labels, and is only used when the query does too
  void query.whereRaw("labels <> '{}'");
  for (const { name, value } of labels)
    void query.whereRaw("labels @> ?::jsonb", [JSON.stringify({ [name]: value })]);
}

function narrowByTime(query: Knex.QueryBuilder, filter: RunFilter): void {
  if (filter.createdAfter !== undefined) {
    const after = new Date(filter.createdAfter);
    void query.where("id", ">=", firstIdAt(new Date(after.getTime() - CLOCK_SKEW_MS)));
    // milliseconds are what clients see: a run is not later than its own `createdAt`
    void query.whereRaw("date_trunc('milliseconds', created_at) > ?", [after]);
  }
  if (filter.createdBefore !== undefined) {
    const before = new Date(filter.createdBefore);
    void query.where("id", "<", firstIdAt(new Date(before.getTime() + CLOCK_SKEW_MS)));
    void query.where("created_at", "<", before);
  }
}
