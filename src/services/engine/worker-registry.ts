import type { Knex } from "knex";

/** What a worker says of itself. */
export interface WorkerDescription {
  readonly id: string;
  readonly hostname: string;
  readonly pid: number;
  readonly groups: readonly string[];
  readonly concurrency: number;
  readonly sandboxLevel: string;
  readonly sandboxReasons: readonly string[];
  readonly version: string;
}

/** An execution that PostgreSQL has as this worker's. */
export interface OwnedExecution {
  readonly token: string;
  readonly runId: string;
  readonly versionId: string;
  readonly stepIndex: number;
  readonly itemIndex: number;
}

/** A worker's steps are its own for this long after its last heartbeat. */
export const WORKER_LEASE_SECONDS = 12;

/** The row by which the others know that a worker lives. All by the database's clock. */
export function createWorkerRegistry(deps: { knex: Knex; worker: WorkerDescription }) {
  const { knex, worker } = deps;
  const leaseUntil = knex.raw("now() + make_interval(secs => ?)", [WORKER_LEASE_SECONDS]);
  return {
    async register(): Promise<void> {
      await knex("workers").insert({
        id: worker.id,
        hostname: worker.hostname,
        pid: worker.pid,
        groups: [...worker.groups],
        concurrency: worker.concurrency,
        sandbox_level: worker.sandboxLevel,
        sandbox_reasons: [...worker.sandboxReasons],
        version: worker.version,
        lease_until: leaseUntil,
      });
    },
    /** Keeps the lease; says which executions are this worker's. One that was given up gets its row back. */
    async beat(running: number): Promise<OwnedExecution[]> {
      const updated = await knex("workers")
        .where("id", worker.id)
        .update({ lease_until: leaseUntil, last_seen_at: knex.fn.now(), running });
      if (updated === 0) await this.register();
      const rows = await knex("step_runs as s")
        .join("workflow_runs as r", "r.id", "s.run_id")
        .where({ "s.worker_id": worker.id, "s.status": "running" })
        .select("s.lease_token", "s.run_id", "s.step_index", "s.item_index", "r.workflow_version_id");
      return rows.map((row) => ({
        token: row.lease_token,
        runId: row.run_id,
        versionId: row.workflow_version_id,
        stepIndex: row.step_index,
        itemIndex: row.item_index,
      }));
    },
    /** After a clean stop nothing is left to be returned. */
    async unregister(): Promise<void> {
      await knex("workers").where("id", worker.id).delete();
    },
  };
}

/** See {@link createWorkerRegistry}. */
export type WorkerRegistry = ReturnType<typeof createWorkerRegistry>;
