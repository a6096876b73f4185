import type { Knex } from "knex";

/**
 * Statistics of runs by the minute and by the hour (`grain`, in seconds) in which they were created, how many waited for
 * their start as a minute ended, and how far the events of runs have been taken in.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE run_stats (
      grain integer NOT NULL,
      at timestamptz NOT NULL,
      created bigint NOT NULL,
      succeeded bigint NOT NULL,
      failed bigint NOT NULL,
      canceled bigint NOT NULL,
      PRIMARY KEY (grain, at)
    );

    -- how long ended runs took: a histogram whose bins grow by a tenth each
    CREATE TABLE run_durations (
      grain integer NOT NULL,
      at timestamptz NOT NULL,
      bin smallint NOT NULL,
      runs bigint NOT NULL,
      PRIMARY KEY (grain, at, bin)
    );

    -- minutes in which it did not change have no row
    CREATE TABLE run_waiting (
      minute timestamptz PRIMARY KEY,
      waiting bigint NOT NULL
    );

    -- one row: every event of a run before the watermark, a whole minute, is in the tables above, once
    CREATE TABLE run_stats_state (
      id boolean PRIMARY KEY DEFAULT true CHECK (id),
      watermark timestamptz NOT NULL DEFAULT 'epoch',
      waiting bigint NOT NULL DEFAULT 0
    );
    INSERT INTO run_stats_state DEFAULT VALUES;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("DROP TABLE run_stats_state, run_waiting, run_durations, run_stats");
}
