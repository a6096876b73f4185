import type { Knex } from "knex";

/** What retention looks up: pinned runs, what names an artifact, and files whose last artifact has gone. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE INDEX workflow_runs_pinned_idx ON workflow_runs (id) WHERE is_pinned;
    CREATE INDEX workflow_runs_output_artifact_idx ON workflow_runs (output_artifact_id)
      WHERE output_artifact_id IS NOT NULL;
    CREATE INDEX step_runs_output_artifact_idx ON step_runs (output_artifact_id)
      WHERE output_artifact_id IS NOT NULL;

    -- written with the artifacts' removal, so that a crash before the disk is reached leaves no file behind
    CREATE TABLE artifact_removals (
      sha256 text PRIMARY KEY,
      due_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX artifact_removals_due_idx ON artifact_removals (due_at);
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    DROP TABLE artifact_removals;
    DROP INDEX step_runs_output_artifact_idx, workflow_runs_output_artifact_idx, workflow_runs_pinned_idx;
  `);
}
