import type { Knex } from "knex";

/** Which prompts have a component as a tool: asked for by every lineage, and no reason to read all configurations. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE INDEX mcp_versions_tools_idx ON mcp_versions USING gin ((config -> 'tools') jsonb_path_ops)
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw("DROP INDEX mcp_versions_tools_idx");
}
