import type { Db } from "../../models/repository.js";

const MOST_USERS = 50;

/** Who would miss a database of this name: components that name it, and workflows whose published steps query it. */
export async function findExternalDbUsers(db: Db, name: string): Promise<string[]> {
  const { rows } = (await db.raw(
    `SELECT DISTINCT 'component ' || definition.name || '@' || version.version AS "user"
     FROM mcp_versions AS version JOIN mcp_definitions AS definition ON definition.id = version.mcp_definition_id
     WHERE version.external_db_configs @> ARRAY[:name]
     UNION
     SELECT DISTINCT 'workflow ' || workflow.name
     FROM workflow_definitions AS workflow
     JOIN workflow_versions AS version
       ON version.workflow_definition_id = workflow.id AND version.version = workflow.published_version
     CROSS JOIN LATERAL jsonb_path_query(version.definition,
       'strict $.** \\? (@.uses == "builtin:sql" && @.inputs.connection.value == $name)',
       jsonb_build_object('name', :name::text), true)
     LIMIT ${MOST_USERS}`,
    { name },
  )) as { rows: { user: string }[] };
  return rows.map(({ user }) => user);
}
