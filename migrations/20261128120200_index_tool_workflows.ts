import type { Knex } from "knex";

/** The workflow versions that are offered as tools: asked for with every list of tools. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE INDEX workflow_versions_tool_idx ON workflow_versions (workflow_definition_id, version)
      WHERE definition -> 'tool' = 'true'::jsonb
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("DROP INDEX workflow_versions_tool_idx");
}
