import type { Knex } from "knex";

/** The tools that a Model Context Protocol server had when its version was first listed or run, and who asks for lists. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE mcp_tool_contracts (
      mcp_version_id uuid PRIMARY KEY REFERENCES mcp_versions (id) ON DELETE CASCADE,
      tools jsonb NOT NULL,
      hash text NOT NULL,
      server_info jsonb NOT NULL,
      -- the package that was started, as the registry resolved it; null for other servers
      package jsonb,
      listed_at timestamptz NOT NULL DEFAULT now()
    );

    -- requests of the API, which has no sandbox, to whichever worker takes them
    CREATE TABLE mcp_tool_listings (
      id uuid PRIMARY KEY,
      mcp_version_id uuid NOT NULL REFERENCES mcp_versions (id) ON DELETE CASCADE,
      status text NOT NULL DEFAULT 'wanted' CHECK (status IN ('wanted', 'running', 'done', 'failed')),
      expires_at timestamptz NOT NULL,
      result jsonb,
      error jsonb
    );
    CREATE INDEX mcp_tool_listings_wanted_idx ON mcp_tool_listings (id) WHERE status = 'wanted';
    CREATE INDEX mcp_tool_listings_expires_idx ON mcp_tool_listings (expires_at);
  `);
}

/** Removes both tables. */
export async function down(knex: Knex): Promise<void> {
  await knex.raw("DROP TABLE mcp_tool_listings; DROP TABLE mcp_tool_contracts;");
}
