import type { WorkflowSummary, WorkflowVersion } from "../../contracts/api/workflow-definitions.js";
import type { WorkflowDefinitionModel } from "../../models/workflow-definition-model.js";
import type { WorkflowVersionModel } from "../../models/workflow-version-model.js";

/** A workflow as lists show it. */
export function presentWorkflow(row: WorkflowDefinitionModel): WorkflowSummary {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    tags: row.tags,
    latestVersion: row.latestVersion,
    publishedVersion: row.publishedVersion,
    isPaused: row.pausedAt !== null,
    revision: row.revision,
    createdBy: row.createdBy,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

/** One version of a workflow. */
export function presentWorkflowVersion(
  row: WorkflowVersionModel,
  workflow: WorkflowDefinitionModel,
): WorkflowVersion {
  return {
    id: row.id,
    workflowId: workflow.id,
    name: workflow.name,
    version: row.version,
    isPublished: row.version === workflow.publishedVersion,
    publishedAt: row.publishedAt?.toISOString() ?? null,
    definition: row.definition,
    createdBy: row.createdBy,
    createdAt: row.createdAt.toISOString(),
  };
}
