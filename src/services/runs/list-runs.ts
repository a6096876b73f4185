import type { Knex } from "knex";
import type { LabelFilter, RunSummary } from "../../contracts/api/runs.js";
import { firstIdAt, isUuid } from "../../core/ids.js";
import type { RunStatus, RunTrigger } from "../../core/statuses.js";
import { type Page, type PageRequest, parseCursor, toCursor } from "../../models/repository.js";
import { presentRunSummary, RUN_SUMMARY_COLUMNS, type RunSummaryRow } from "./present-run.js";
import { type Narrow, type NewestRuns, prepareRunSearch } from "./search-runs.js";

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
  /** Words to be found: see {@link prepareRunSearch}. */
  readonly q?: string | undefined;
}

/** An id carries the clock of the process that made it, `created_at` the database's: they may differ by this much. */
const CLOCK_SKEW_MS = 10 * 60_000;

/** One page of runs, newest first. Every condition has an index, and times also bound ids, so partitions prune. */
export async function listRuns(knex: Knex, filter: RunFilter, page: PageRequest): Promise<Page<RunSummary>> {
  const after = parseCursor(page.cursor);
  const findNewest = await prepareRunFilter(knex, filter);
  if (!findNewest) return { items: [], nextCursor: null };
  const newest = findNewest(knex, page.limit + 1, (query) => {
    if (after !== undefined) void query.where("workflow_runs.id", "<", after);
  });
  const rows = await readRows(knex, newest, filter.q !== undefined);
  const shown = rows.slice(0, page.limit);
  const last = shown.at(-1);
  return {
    items: shown.map(presentRunSummary),
    nextCursor: rows.length > page.limit && last ? toCursor(last.id) : null,
  };
}

/** What is shown of runs. Of found ones the ids come first: joined, the planner may take the whole table. */
async function readRows(knex: Knex, newest: Knex.QueryBuilder, isFound: boolean): Promise<RunSummaryRow[]> {
  if (!isFound) return (await newest.clearSelect().select(...RUN_SUMMARY_COLUMNS)) as RunSummaryRow[];
  const ids = ((await newest) as { id: string }[]).map(({ id }) => id);
  return (await knex("workflow_runs")
    .select(...RUN_SUMMARY_COLUMNS)
    .whereRaw("id = ANY (?::uuid[])", [ids])
    .orderBy("id", "desc")) as RunSummaryRow[];
}

/**
 * The newest runs that a filter leaves; undefined when that is nothing. Looks the workflow's name up, so it is asked for
 * beforehand.
 */
export async function prepareRunFilter(knex: Knex, filter: RunFilter): Promise<NewestRuns | undefined> {
  const workflowId = filter.workflow === undefined ? undefined : await findWorkflowId(knex, filter.workflow);
  if (workflowId === null) return undefined;
  const newest = filter.q === undefined ? findAll : await prepareRunSearch(knex, filter.q);
  if (!newest) return undefined;
  return (db, limit, more) =>
    newest(db, limit, (query) => {
      if (workflowId !== undefined) void query.where("workflow_id", workflowId);
      if (filter.status !== undefined) void query.where("status", filter.status);
      if (filter.trigger !== undefined) void query.where("trigger", filter.trigger);
      narrowByLabels(query, filter.label ?? []);
      narrowByTime(query, filter);
      more(query);
    });
}

function findAll(db: Knex, limit: number, narrow: Narrow): Knex.QueryBuilder {
  const query = db("workflow_runs").select("id").orderBy("id", "desc").limit(limit);
  narrow(query);
  return query;
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
    void query.where("workflow_runs.id", ">=", firstIdAt(new Date(after.getTime() - CLOCK_SKEW_MS)));
    // milliseconds are what clients see: a run is not later than its own `createdAt`
    void query.whereRaw("date_trunc('milliseconds', created_at) > ?", [after]);
  }
  if (filter.createdBefore !== undefined) {
    const before = new Date(filter.createdBefore);
    void query.where("workflow_runs.id", "<", firstIdAt(new Date(before.getTime() + CLOCK_SKEW_MS)));
    void query.where("created_at", "<", before);
  }
}
