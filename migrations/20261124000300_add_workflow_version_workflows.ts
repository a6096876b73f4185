import type { Knex } from "knex";

/** Which workflow versions use which versions of other workflows as steps: for recursion, depth and delete guards. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE workflow_version_workflows (
      version_id uuid NOT NULL REFERENCES workflow_versions (id) ON DELETE CASCADE,
      -- keeps a workflow from being deleted while a version that uses it is being stored
      used_workflow_id uuid NOT NULL REFERENCES workflow_definitions (id),
      used_version_id uuid NOT NULL REFERENCES workflow_versions (id),
      PRIMARY KEY (version_id, used_version_id)
    );
    CREATE INDEX workflow_version_workflows_workflow_idx ON workflow_version_workflows (used_workflow_id);
    CREATE INDEX workflow_version_workflows_used_idx ON workflow_version_workflows (used_version_id);
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("DROP TABLE workflow_version_workflows");
}
