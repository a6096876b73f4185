import type { Knex } from "knex";
import type {
  Impact,
  LaidOutWorkflow,
  Lineage,
  LineageQuery,
  ProposedSchemas,
  WorkflowGraphQuery,
} from "../../contracts/api/graphs.js";
import { drawLineage } from "./draw-lineage.js";
import { createWorkflowDrawer } from "./draw-workflow.js";
import { judgeAgainstSchemas, judgeAgainstVersion } from "./judge-impact.js";

/** Graphs of what depends on what, laid out; and what a change would break. It only reads. */
export interface DependencyVisualizer {
  /** The steps of a workflow, with the states of a run if one is named. @throws AppError NOT_FOUND */
  drawWorkflow(nameOrId: string, query: Omit<WorkflowGraphQuery, "format">): Promise<LaidOutWorkflow>;
  /** What a version of a component comes from, uses and is used by. @throws AppError NOT_FOUND */
  drawLineage(versionId: string, query: Omit<LineageQuery, "format">): Promise<Lineage>;
  /**
   * What would break if another version took this one's place; without `against` the newest.
   * @throws AppError NOT_FOUND; INVALID_FIELDS when `against` is none of the same component.
   */
  judgeVersion(versionId: string, against: string | undefined): Promise<Impact>;
  /** What would break if the version had these schemas. @throws AppError NOT_FOUND */
  judgeSchemas(versionId: string, proposed: ProposedSchemas): Promise<Impact>;
}

/** Makes the visualiser over a database. */
export function createDependencyVisualizer({ knex }: { readonly knex: Knex }): DependencyVisualizer {
  return {
    drawWorkflow: createWorkflowDrawer(knex),
    drawLineage: async (versionId, query) => await drawLineage(knex, versionId, query),
    judgeVersion: async (versionId, against) => await judgeAgainstVersion(knex, versionId, against),
    judgeSchemas: async (versionId, proposed) => await judgeAgainstSchemas(knex, versionId, proposed),
  };
}
