import { conflict } from "../../errors/app-error.js";
import type { Db } from "../../models/repository.js";

/** Something that refers to a workflow, in words. */
interface WorkflowUser {
  readonly kind: "workflow" | "run";
  readonly name: string;
  readonly detail: string;
}

const MOST_USERS = 50;

/**
 * Refuses to go on while a workflow is in use: by other workflows of which any version has it as a step, or by runs in
 * progress whose own workflow is gone. @throws AppError CONFLICT that names them all.
 */
export async function assertWorkflowUnused(
  db: Db,
  workflow: { readonly id: string; readonly name: string },
): Promise<void> {
  const { rows } = (await db.raw(
    `SELECT 'workflow' AS kind, workflow.name,
       'version ' || string_agg(DISTINCT used_in.version::text, ', ') AS detail
     FROM workflow_version_workflows AS link
     JOIN workflow_versions AS used_in ON used_in.id = link.version_id
     JOIN workflow_definitions AS workflow ON workflow.id = used_in.workflow_definition_id
     WHERE link.used_workflow_id = :id
     GROUP BY workflow.name
     UNION ALL
     SELECT 'run', run.id::text, run.status
     FROM workflow_version_workflows AS link
     JOIN workflow_versions AS used_in ON used_in.id = link.version_id
     JOIN workflow_runs AS run ON run.workflow_version_id = used_in.id
     WHERE link.used_workflow_id = :id AND run.status IN ('queued', 'running', 'waiting')
       AND used_in.workflow_definition_id IS NULL
     LIMIT ${MOST_USERS}`,
    { id: workflow.id },
  )) as { rows: WorkflowUser[] };
  if (rows.length === 0) return;
  const named = rows.map((user) => `${user.kind} ${user.name} (${user.detail})`);
  throw conflict(
    `${workflow.name} is used by ${named.join("; ")}`,
    named.map((message) => ({ path: "", message })),
  );
}

/** Forgets which versions of deleted workflows used a workflow, so that it can be deleted as well. */
export async function dropOrphanedUses(db: Db, workflowId: string): Promise<void> {
  await db.raw(
    `DELETE FROM workflow_version_workflows AS link USING workflow_versions AS used_in
     WHERE used_in.id = link.version_id AND link.used_workflow_id = ?
       AND used_in.workflow_definition_id IS NULL`,
    [workflowId],
  );
}
