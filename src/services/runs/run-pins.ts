import type { Knex } from "knex";
import type { Actor, RequestOrigin } from "../../core/actor.js";
import { notFound } from "../../errors/app-error.js";
import type { AuditLog } from "../audit/audit-log.js";

/** Pinning of runs: retention leaves a pinned run alone, with the runs that it has started. */
export interface RunPins {
  /** Doing it twice is harmless. @throws AppError NOT_FOUND */
  pin(runId: string, actor: Actor, origin: RequestOrigin): Promise<void>;
  /** Doing it twice is harmless. @throws AppError NOT_FOUND */
  unpin(runId: string, actor: Actor, origin: RequestOrigin): Promise<void>;
}

/** Makes it over a database. */
export function createRunPins(deps: { readonly knex: Knex; readonly audit: AuditLog }): RunPins {
  const { knex, audit } = deps;

  async function setPinned(runId: string, isPinned: boolean, actor: Actor, origin: RequestOrigin) {
    await knex.transaction(async (trx) => {
      const run = await trx("workflow_runs").first("is_pinned").where("id", runId).forUpdate();
      if (!run) throw notFound("Run");
      if (run.is_pinned === isPinned) return;
      await trx("workflow_runs").where("id", runId).update({ is_pinned: isPinned });
      const action = isPinned ? "run.pin" : "run.unpin";
      await audit.record(trx, { actor, origin, action, entityType: "workflow_run", entityId: runId });
    });
  }

  return {
    pin: async (runId, actor, origin) => await setPinned(runId, true, actor, origin),
    unpin: async (runId, actor, origin) => await setPinned(runId, false, actor, origin),
  };
}
