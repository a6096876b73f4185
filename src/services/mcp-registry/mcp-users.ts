import type { Db } from "../../models/repository.js";

/** Something that refers to a component, in words. */
export interface McpUser {
  readonly kind: "workflow" | "mcp" | "run";
  readonly name: string;
  readonly detail: string;
}

const MOST_USERS = 50;

/**
 * What stands in the way of deleting a component: workflows of which any version uses it, prompts that have it
 * as a tool, and runs in progress whose workflow is gone.
 */
export async function findMcpUsers(db: Db, definition: { id: string; name: string }): Promise<McpUser[]> {
  const { rows } = (await db.raw(
    `SELECT 'workflow' AS kind, workflow.name,
       'version ' || string_agg(DISTINCT used.version::text, ', ') AS detail
     FROM mcp_versions AS version
     JOIN workflow_version_mcps AS link ON link.mcp_version_id = version.id
     JOIN workflow_versions AS used ON used.id = link.workflow_version_id
     JOIN workflow_definitions AS workflow ON workflow.id = used.workflow_definition_id
     WHERE version.mcp_definition_id = :id
     GROUP BY workflow.name
     UNION ALL
     SELECT DISTINCT 'mcp', prompt.name, 'version ' || version.version
     FROM mcp_versions AS version
     JOIN mcp_definitions AS prompt ON prompt.id = version.mcp_definition_id
     CROSS JOIN LATERAL jsonb_array_elements_text(
       CASE jsonb_typeof(version.config -> 'tools') WHEN 'array' THEN version.config -> 'tools' ELSE '[]' END
     ) AS tool
     WHERE version.config ->> 'type' = 'llm_prompt' AND prompt.id <> :id
       AND split_part(substr(tool, 5), '@', 1) = :name
     UNION ALL
     SELECT 'run', run.id::text, run.status
     FROM mcp_versions AS version
     JOIN workflow_version_mcps AS link ON link.mcp_version_id = version.id
     JOIN workflow_versions AS used ON used.id = link.workflow_version_id
     JOIN workflow_runs AS run ON run.workflow_version_id = used.id
     WHERE version.mcp_definition_id = :id AND run.status IN ('queued', 'running', 'waiting')
       AND used.workflow_definition_id IS NULL
     LIMIT ${MOST_USERS}`,
    { id: definition.id, name: definition.name },
  )) as { rows: McpUser[] };
  return rows;
}

/**
 * Forgets which of the versions without a workflow (test runs, deleted workflows) used a component, so that it
 * can be deleted. Call it after {@link findMcpUsers} found nobody.
 */
export async function dropOrphanedLinks(db: Db, definitionId: string): Promise<void> {
  await db.raw(
    `DELETE FROM workflow_version_mcps AS link
     USING mcp_versions AS version, workflow_versions AS used
     WHERE version.id = link.mcp_version_id AND used.id = link.workflow_version_id
       AND version.mcp_definition_id = ? AND used.workflow_definition_id IS NULL`,
    [definitionId],
  );
}
