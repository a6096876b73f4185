import type { Knex } from "knex";
import { ID_END, ID_PREFIX, toIdRange } from "./id-range.js";

/** Narrows a query over `workflow_runs`. */
export type Narrow = (query: Knex.QueryBuilder) => void;

/** The ids of the newest runs that are meant, newest first, as a query with one column. */
export type NewestRuns = (db: Knex, limit: number, narrow: Narrow) => Knex.QueryBuilder;

/** As the index of the migration `index_run_search` has it: no other spelling is answered by it. */
const WORDS =
  "search_words(workflow_name || ' ' || labels::text || ' ' || left(coalesce(error->>'message', ''), 2000))";
const HAS_WORDS = "(labels <> '{}' OR error IS NOT NULL)";
const BETWEEN_WORDS = /[\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+/;
const MOST_WORDS = 8;
const LONGEST_WORD = 100;
/** So far back a run is found by the end of its id: ids are read in their order, and an index of ends would burden each start. */
const RECENT = 10_000;
const ENDS_SO = `workflow_runs.id IN (
  SELECT id FROM (SELECT id FROM workflow_runs ORDER BY id DESC LIMIT ${RECENT}) AS recent WHERE right(id::text, 8) = ?)`;

/**
 * Runs in which each word of a text begins a word of the workflow's name, of a label or of the error; and runs whose id
 * begins with the text, or, of the newest ones, ends with it. Undefined when the text has no word. Each way has an index of its own and gives its newest
 * alone, so that neither a rare word nor a frequent one reads all runs there are.
 */
export async function prepareRunSearch(knex: Knex, text: string): Promise<NewestRuns | undefined> {
  const search = toWordQuery(text);
  if (search === undefined) return undefined;
  const rows = (await knex("workflow_definitions")
    .select("id")
    .whereRaw("search_words(name) @@ lower(?)::tsquery", [search])) as { id: string }[];
  const workflowIds = rows.map(({ id }) => id);
  const id = text.trim().toLowerCase();
  const idRange = ID_PREFIX.test(id) ? toIdRange(id) : undefined;
  return (db, limit, narrow) => {
    const newest = (way: Narrow) => {
      const query = db("workflow_runs").select("workflow_runs.id").orderBy("workflow_runs.id", "desc");
      way(query);
      narrow(query);
      return query.limit(limit);
    };
    const ways = [
      newest((query) => void query.whereRaw(HAS_WORDS).whereRaw(`${WORDS} @@ lower(?)::tsquery`, [search])),
    ];
    if (workflowIds.length > 0) {
      // one workflow after the other, each by its index: of all at once, the planner may read every run there is
      const own = newest((query) => void query.whereRaw("workflow_runs.workflow_id = named.id"));
      const each = "unnest(?::uuid[]) AS named (id) CROSS JOIN LATERAL (?) AS found";
      ways.push(db.select("found.id").from(db.raw(each, [workflowIds, own])));
    }
    if (idRange) ways.push(newest((query) => void query.whereBetween("workflow_runs.id", [...idRange])));
    if (ID_END.test(id)) ways.push(newest((query) => void query.whereRaw(ENDS_SO, [id])));
    const found = db.union(ways, true).as("found");
    return db.select("id").from(found).orderBy("id", "desc").limit(limit);
  };
}

/** A `tsquery` that wants a word beginning with each of these; nothing that a person types is syntax in it. */
function toWordQuery(text: string): string | undefined {
  const words = text.split(BETWEEN_WORDS).filter((word) => word !== "");
  if (words.length === 0) return undefined;
  return words
    .slice(0, MOST_WORDS)
    .map((word) => `'${[...word].slice(0, LONGEST_WORD).join("")}':*`)
    .join(" & ");
}
