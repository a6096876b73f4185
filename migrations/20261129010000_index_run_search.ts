import type { Knex } from "knex";

/**
 * Words of runs that carry labels or have failed: those of the workflow's name, of the labels, and of the beginning of
 * the error. Other runs have but their workflow's name to be found by, which its definition knows, so the hot table
 * pays nothing for them.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(String.raw`
    -- Words are what stands between ASCII spaces and punctuation, as src/services/runs/search-runs.ts parts them too.
    -- No parser of PostgreSQL's: it would keep hosts, paths and numbers in one piece. Its cost tells the planner never to
    -- work it out row by row where the index answers.
    CREATE FUNCTION search_words(given text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 10000 AS $fn$
      SELECT array_to_tsvector(ARRAY(
        SELECT DISTINCT left(word, 100)
        FROM regexp_split_to_table(lower(given), '[\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+') AS word
        WHERE word <> ''
      ))
    $fn$;
    CREATE INDEX workflow_runs_search_idx ON workflow_runs
      USING gin (search_words(workflow_name || ' ' || labels::text || ' ' || left(coalesce(error->>'message', ''), 2000)))
      WHERE labels <> '{}' OR error IS NOT NULL;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("DROP INDEX workflow_runs_search_idx; DROP FUNCTION search_words(text)");
}
