import { type Model, type QueryBuilder, raw } from "objection";
import { isUuid } from "../core/ids.js";

/** Narrows a query to the rows of a workflow, by its name or id: none for an unknown one, all without any. */
export function ofWorkflow<M extends Model>(query: QueryBuilder<M, M[]>, workflow: string | undefined): void {
  if (workflow === undefined) return;
  const id = isUuid(workflow)
    ? workflow
    : raw("(SELECT id FROM workflow_definitions WHERE name = ?)", [workflow]);
  void query.where("workflow_id", id);
}
