import type { By } from "../../core/actor.js";
import type { Knex } from "knex";
import { notFound } from "../../errors/app-error.js";
import { WorkflowDefinitionModel } from "../../models/workflow-definition-model.js";
import type { AuditLog } from "../audit/audit-log.js";
import { getWorkflowByNameOrId } from "./workflow-queries.js";

/** The dependencies of pausing. */
export interface WorkflowPauseDeps {
  readonly knex: Knex;
  readonly audit: AuditLog;
  /** Lets the held runs of a workflow begin. */
  readonly admission: { nudge(workflowId: string): void };
}

/** The switch that holds new runs of a workflow back. Runs that have begun go on; the definition's revision stays. */
export interface WorkflowPauses {
  /** Doing it twice is harmless. @throws AppError NOT_FOUND */
  pause(nameOrId: string, by: By): Promise<void>;
  /** Lets the held runs begin, as far as the workflow's limits allow. Doing it twice is harmless. @throws AppError NOT_FOUND */
  resume(nameOrId: string, by: By): Promise<void>;
}

/** Makes the switch over a database. */
export function createWorkflowPauses(deps: WorkflowPauseDeps): WorkflowPauses {
  async function turn(nameOrId: string, isPaused: boolean, { actor, origin }: By): Promise<string> {
    const { id } = await getWorkflowByNameOrId(deps.knex, nameOrId);
    await deps.knex.transaction(async (trx) => {
      const before = await WorkflowDefinitionModel.query(trx).where("id", id).forUpdate().first();
      if (!before) throw notFound("Workflow");
      if ((before.pausedAt !== null) === isPaused) return;
      await trx("workflow_definitions")
        .where("id", id)
        .update({ paused_at: isPaused ? trx.fn.now() : null });
      await deps.audit.record(trx, {
        actor,
        origin,
        action: isPaused ? "workflow.pause" : "workflow.resume",
        entityType: "workflow_definition",
        entityId: id,
        before: { name: before.name, isPaused: !isPaused },
        after: { name: before.name, isPaused },
      });
    });
    return id;
  }

  return {
    async pause(nameOrId, by) {
      await turn(nameOrId, true, by);
    },
    async resume(nameOrId, by) {
      deps.admission.nudge(await turn(nameOrId, false, by));
    },
  };
}
