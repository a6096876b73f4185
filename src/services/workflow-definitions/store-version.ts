import type { Actor } from "../../core/actor.js";
import { newId } from "../../core/ids.js";
import { conflict } from "../../errors/app-error.js";
import type { Db } from "../../models/repository.js";
import { WorkflowVersionModel } from "../../models/workflow-version-model.js";
import { isForeignKeyViolation } from "../database-conflicts.js";
import type { CompiledDefinition } from "./check-definition.js";
import { workflowVersions } from "./workflow-queries.js";

/** A version to be stored. Exactly one of `workflowId` and `testedMcpVersionId`. */
export interface NewVersion {
  readonly workflowId?: string;
  readonly testedMcpVersionId?: string;
  readonly name: string;
  readonly version: number;
  readonly isPublished: boolean;
}

/**
 * Stores a version and which components and other workflows it uses.
 * @throws AppError CONFLICT when one of them was deleted in the meantime.
 */
export async function storeVersion(
  db: Db,
  compiled: CompiledDefinition,
  version: NewVersion,
  actor: Actor,
): Promise<WorkflowVersionModel> {
  const row = await workflowVersions.insert(db, {
    id: newId(),
    workflowDefinitionId: version.workflowId ?? null,
    testedMcpVersionId: version.testedMcpVersionId ?? null,
    name: version.name,
    version: version.version,
    definition: compiled.definition,
    plan: compiled.plan,
    createdBy: actor.userId,
    ...(version.isPublished ? { publishedAt: WorkflowVersionModel.raw("now()") as unknown as Date } : {}),
  });
  await linkMcps(db, row.id, compiled.mcpVersionIds);
  await linkWorkflows(db, row.id, compiled.usedWorkflows);
  return row;
}

/** Notes which component versions a workflow version uses. */
export async function linkMcps(db: Db, versionId: string, mcpVersionIds: readonly string[]): Promise<void> {
  if (mcpVersionIds.length === 0) return;
  try {
    await db.raw(
      "INSERT INTO workflow_version_mcps (workflow_version_id, mcp_version_id) SELECT ?, unnest(?::uuid[])",
      [versionId, [...mcpVersionIds]],
    );
  } catch (error) {
    if (!isForeignKeyViolation(error)) throw error;
    throw conflict("An MCP that the workflow uses was deleted at this moment");
  }
}

async function linkWorkflows(
  db: Db,
  versionId: string,
  used: CompiledDefinition["usedWorkflows"],
): Promise<void> {
  if (used.length === 0) return;
  try {
    await db.raw(
      `INSERT INTO workflow_version_workflows (version_id, used_workflow_id, used_version_id)
       SELECT ?, * FROM unnest(?::uuid[], ?::uuid[])`,
      [versionId, used.map(({ workflowId }) => workflowId), used.map((one) => one.versionId)],
    );
  } catch (error) {
    if (!isForeignKeyViolation(error)) throw error;
    throw conflict("A workflow that it uses was deleted at this moment");
  }
}
