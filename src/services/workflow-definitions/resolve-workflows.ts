import type { JsonObject } from "../../core/json.js";
import type { WorkflowReference } from "../../core/workflow-reference.js";
import type { Db } from "../../models/repository.js";

/** What a reference to a workflow stands for at this moment. */
export interface ResolvedWorkflow {
  readonly id: string;
  readonly name: string;
  /** Undefined: it has no such version (or none is published, when none was named). */
  readonly version?: {
    readonly id: string;
    readonly number: number;
    /** Never published. */
    readonly isDraft: boolean;
    /** JSON Schema of its input, if there is one. */
    readonly inputSchema: JsonObject | null;
  };
}

/** One workflow version uses a version of another workflow as a step. */
export interface WorkflowUse {
  readonly versionId: string;
  readonly usedVersionId: string;
  readonly usedWorkflowId: string;
  readonly usedName: string;
}

interface Row {
  readonly wanted: number | null;
  readonly id: string;
  readonly name: string;
  readonly versionId: string | null;
  readonly number: number | null;
  readonly isDraft: boolean;
  readonly inputSchema: JsonObject | null;
}

/** One text per distinct reference. */
export function workflowKey({ name, version }: WorkflowReference): string {
  return `${name}@${version ?? ""}`;
}

/** Resolves references in one query, by {@link workflowKey}; unknown workflows are missing from the answer. */
export async function resolveWorkflows(
  db: Db,
  references: readonly WorkflowReference[],
): Promise<Map<string, ResolvedWorkflow>> {
  const distinct = [...new Map(references.map((one) => [workflowKey(one), one])).values()];
  if (distinct.length === 0) return new Map();
  const { rows } = (await db.raw(
    `SELECT wanted.version AS wanted, workflow.id, workflow.name, version.id AS "versionId",
       version.version AS number, version.published_at IS NULL AS "isDraft",
       version.definition -> 'inputs' AS "inputSchema"
     FROM jsonb_to_recordset(?::jsonb) AS wanted(name text, version integer)
     JOIN workflow_definitions AS workflow ON workflow.name = wanted.name
     LEFT JOIN workflow_versions AS version ON version.workflow_definition_id = workflow.id
       AND version.version = coalesce(wanted.version, workflow.published_version)`,
    [JSON.stringify(distinct)],
  )) as { rows: Row[] };
  return new Map(rows.map((row) => [`${row.name}@${row.wanted ?? ""}`, toResolved(row)]));
}

function toResolved({ id, name, versionId, number, isDraft, inputSchema }: Row): ResolvedWorkflow {
  if (versionId === null || number === null) return { id, name };
  return { id, name, version: { id: versionId, number, isDraft, inputSchema } };
}

/** What these versions use, and what that uses, to the end: versions are pinned, so there is one. */
export async function listUses(db: Db, versionIds: readonly string[]): Promise<WorkflowUse[]> {
  if (versionIds.length === 0) return [];
  const { rows } = (await db.raw(
    `WITH RECURSIVE uses AS (
       SELECT version_id, used_version_id, used_workflow_id FROM workflow_version_workflows
       WHERE version_id = ANY(?::uuid[])
       UNION
       SELECT link.version_id, link.used_version_id, link.used_workflow_id FROM uses
       JOIN workflow_version_workflows AS link ON link.version_id = uses.used_version_id
     )
     SELECT uses.version_id AS "versionId", uses.used_version_id AS "usedVersionId",
       uses.used_workflow_id AS "usedWorkflowId", workflow.name AS "usedName"
     FROM uses JOIN workflow_definitions AS workflow ON workflow.id = uses.used_workflow_id`,
    [[...versionIds]],
  )) as { rows: WorkflowUse[] };
  return rows;
}
