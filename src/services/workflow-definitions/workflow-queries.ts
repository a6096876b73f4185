import type { ListWorkflows, WorkflowSummary } from "../../contracts/api/workflow-definitions.js";
import { isUuid } from "../../core/ids.js";
import { notFound } from "../../errors/app-error.js";
import { createRepository, type Db, type Page } from "../../models/repository.js";
import { WorkflowDefinitionModel } from "../../models/workflow-definition-model.js";
import { WorkflowVersionModel } from "../../models/workflow-version-model.js";
import { toPrefixQuery } from "../search-text.js";
import { presentWorkflow } from "./present-workflow.js";

/** Rows of `workflow_definitions`. */
export const workflows = createRepository<WorkflowDefinitionModel>(WorkflowDefinitionModel, "Workflow");
/** Rows of `workflow_versions`. */
export const workflowVersions = createRepository<WorkflowVersionModel>(
  WorkflowVersionModel,
  "Workflow version",
);

/** The workflow. @throws AppError NOT_FOUND */
export async function getWorkflowByNameOrId(db: Db, nameOrId: string): Promise<WorkflowDefinitionModel> {
  if (isUuid(nameOrId)) return await workflows.get(db, nameOrId);
  const row = await WorkflowDefinitionModel.query(db).where("name", nameOrId).first();
  if (!row) throw notFound("Workflow");
  return row;
}

/** One version by its number. @throws AppError NOT_FOUND */
export async function getVersionByNumber(
  db: Db,
  workflowId: string,
  version: number,
): Promise<WorkflowVersionModel> {
  const row = await WorkflowVersionModel.query(db)
    .where({ workflow_definition_id: workflowId, version })
    .first();
  if (!row) throw notFound("Workflow version");
  return row;
}

/** One page of workflows, newest first. */
export async function listWorkflows(db: Db, filter: ListWorkflows): Promise<Page<WorkflowSummary>> {
  const { limit, cursor, tag, q } = filter;
  const search = q === undefined ? undefined : toPrefixQuery(q);
  if (q !== undefined && search === undefined) return { items: [], nextCursor: null };
  const page = await workflows.listPage(db, { limit, cursor }, (query) => {
    if (tag !== undefined) void query.whereRaw("tags @> ARRAY[?]::text[]", [tag]);
    if (search !== undefined) void query.whereRaw("search @@ to_tsquery('simple', ?)", [search]);
  });
  return { ...page, items: page.items.map(presentWorkflow) };
}
