import type { Knex } from "knex";

/** Components and workflows, each with immutable versions. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    CREATE TABLE mcp_definitions (
      id uuid PRIMARY KEY,
      name text NOT NULL UNIQUE,
      description text NOT NULL DEFAULT '',
      tags text[] NOT NULL DEFAULT '{}',
      mcp_type text NOT NULL,
      revision integer NOT NULL DEFAULT 1,
      created_by uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      search tsvector GENERATED ALWAYS AS (
        setweight(to_tsvector('simple', replace(name, '-', ' ')), 'A') ||
        setweight(to_tsvector('simple', description), 'B')
      ) STORED
    );
    CREATE INDEX mcp_definitions_search_idx ON mcp_definitions USING gin (search);
    CREATE INDEX mcp_definitions_tags_idx ON mcp_definitions USING gin (tags);

    CREATE TABLE mcp_versions (
      id uuid PRIMARY KEY,
      mcp_definition_id uuid NOT NULL REFERENCES mcp_definitions (id) ON DELETE CASCADE,
      version text NOT NULL,
      -- semver precedence as sortable text, so that "the newest" is an index lookup
      version_order text NOT NULL,
      description text NOT NULL DEFAULT '',
      config jsonb NOT NULL,
      input_schema jsonb,
      output_schema jsonb,
      external_db_configs text[] NOT NULL DEFAULT '{}',
      secrets text[] NOT NULL DEFAULT '{}',
      deprecated_at timestamptz,
      created_by uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      UNIQUE (mcp_definition_id, version_order)
    );

    CREATE TABLE workflow_definitions (
      id uuid PRIMARY KEY,
      name text NOT NULL UNIQUE,
      description text NOT NULL DEFAULT '',
      tags text[] NOT NULL DEFAULT '{}',
      latest_version integer NOT NULL DEFAULT 0,
      published_version integer,
      revision integer NOT NULL DEFAULT 1,
      created_by uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      updated_at timestamptz NOT NULL DEFAULT now(),
      search tsvector GENERATED ALWAYS AS (
        setweight(to_tsvector('simple', replace(name, '-', ' ')), 'A') ||
        setweight(to_tsvector('simple', description), 'B')
      ) STORED
    );
    CREATE INDEX workflow_definitions_search_idx ON workflow_definitions USING gin (search);

    -- a test run of one MCP version has a version row of its own, without a workflow
    CREATE TABLE workflow_versions (
      id uuid PRIMARY KEY,
      workflow_definition_id uuid REFERENCES workflow_definitions (id) ON DELETE SET NULL,
      tested_mcp_version_id uuid UNIQUE REFERENCES mcp_versions (id) ON DELETE SET NULL,
      name text NOT NULL,
      version integer NOT NULL,
      definition jsonb NOT NULL,
      -- compiled for the engine: names resolved, MCP versions pinned (src/core/plan.ts)
      plan jsonb NOT NULL,
      created_by uuid,
      created_at timestamptz NOT NULL DEFAULT now(),
      published_at timestamptz,
      UNIQUE (workflow_definition_id, version)
    );

    -- which workflow versions use which MCP versions, for "used by", lineage and delete guards
    CREATE TABLE workflow_version_mcps (
      workflow_version_id uuid NOT NULL REFERENCES workflow_versions (id) ON DELETE CASCADE,
      mcp_version_id uuid NOT NULL REFERENCES mcp_versions (id),
      PRIMARY KEY (workflow_version_id, mcp_version_id)
    );
    CREATE INDEX workflow_version_mcps_mcp_idx ON workflow_version_mcps (mcp_version_id);
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    DROP TABLE workflow_version_mcps, workflow_versions, workflow_definitions, mcp_versions, mcp_definitions;
  `);
}
