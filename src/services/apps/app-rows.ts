import type { Knex } from "knex";
import type { AppModel } from "../../models/app-model.js";

/** An app belongs to its worker for this long after the worker last said so. */
const APP_LEASE_SECONDS = 15;
const KEPT_DAYS = 30;

/** What a worker tells of a new app. */
export type NewApp = Pick<
  AppModel,
  | "id"
  | "name"
  | "mode"
  | "runId"
  | "stepId"
  | "stepIndex"
  | "itemIndex"
  | "workflowVersionId"
  | "mcpVersionId"
  | "leaseToken"
  | "waitForSubmit"
  | "workerId"
  | "hostname"
  | "gatewaySocket"
  | "gatewayUrl"
  | "idleTimeoutSeconds"
>;

/** What a worker tells of an app with a heartbeat. */
export interface AppReport {
  readonly id: string;
  readonly idleMs: number;
  readonly logTail: readonly string[];
}

/** What the database says of an app to its worker. */
export interface AppVerdict {
  readonly id: string;
  /** Who wants it stopped. */
  readonly stopRequestedBy: string | null;
  /** Whether its step still has the token that the app was started with, and waits or runs. */
  readonly isAwaited: boolean;
  readonly isRunCanceled: boolean;
}

const LEASE = `now() + make_interval(secs => ${APP_LEASE_SECONDS})`;

/** The rows of one worker's apps. All by the database's clock. */
export function createAppRows({ knex }: { readonly knex: Knex }) {
  const live = (id: string) => knex("apps").where("id", id).whereIn("status", ["starting", "running"]);
  return {
    insert: async (app: NewApp): Promise<void> => await insertApp(knex, app),
    /** Notes that it serves, or is being started again after a crash. A row that has ended stays as it is. */
    async setStatus(id: string, status: "starting" | "running", restarts: number): Promise<void> {
      await live(id).update({ status, restarts, updated_at: knex.fn.now(), lease_until: knex.raw(LEASE) });
    },
    async noteSubmit(id: string): Promise<void> {
      await knex("apps").where("id", id).update({ submitted_at: knex.fn.now() });
    },
    async end(
      id: string,
      status: "stopped" | "failed",
      { reason, logTail }: { readonly reason: string; readonly logTail: readonly string[] },
    ): Promise<void> {
      const now = knex.fn.now();
      const log_tail = JSON.stringify(logTail);
      await live(id).update({ status, reason, log_tail, stopped_at: now, updated_at: now });
    },
    /** Keeps the lease of these apps. One that the others have given up is not in the answer. */
    beat: async (reports: readonly AppReport[]): Promise<AppVerdict[]> => await beatApps(knex, reports),
  };
}

/** See {@link createAppRows}. */
export type AppRows = ReturnType<typeof createAppRows>;

async function insertApp(knex: Knex, app: NewApp): Promise<void> {
  await knex.raw(
    `INSERT INTO apps (id, name, mode, status, run_id, step_id, step_index, item_index, workflow_version_id,
           mcp_version_id, lease_token, wait_for_submit, worker_id, hostname, gateway_socket, gateway_url,
           idle_timeout_seconds, lease_until, created_by)
         SELECT ?, ?, ?, 'starting', r.id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ${LEASE}, r.created_by
         FROM workflow_runs r WHERE r.id = ?`,
    [
      app.id,
      app.name,
      app.mode,
      app.stepId,
      app.stepIndex,
      app.itemIndex,
      app.workflowVersionId,
      app.mcpVersionId,
      app.leaseToken,
      app.waitForSubmit,
      app.workerId,
      app.hostname,
      app.gatewaySocket,
      app.gatewayUrl,
      app.idleTimeoutSeconds,
      app.runId,
    ],
  );
}

async function beatApps(knex: Knex, reports: readonly AppReport[]): Promise<AppVerdict[]> {
  const { rows } = await knex.raw<{ rows: AppVerdict[] }>(
    `UPDATE apps a SET lease_until = ${LEASE}, last_seen_at = now(), log_tail = u.log_tail,
           last_used_at = GREATEST(a.last_used_at, now() - make_interval(secs => u.idle_ms / 1000.0))
         FROM unnest(?::uuid[], ?::float8[], ?::jsonb[]) AS u (id, idle_ms, log_tail)
         WHERE a.id = u.id AND a.status IN ('starting', 'running')
         RETURNING a.id, a.stop_requested_by AS "stopRequestedBy",
           EXISTS (SELECT 1 FROM step_runs s WHERE s.run_id = a.run_id AND s.step_index = a.step_index
             AND s.item_index = a.item_index AND s.lease_token = a.lease_token
             AND s.status IN ('running', 'waiting')) AS "isAwaited",
           EXISTS (SELECT 1 FROM workflow_runs r WHERE r.id = a.run_id
             AND (r.status = 'canceled' OR r.ending = 'canceled')) AS "isRunCanceled"`,
    [
      reports.map((report) => report.id),
      reports.map((report) => report.idleMs),
      reports.map((report) => JSON.stringify(report.logTail)),
    ],
  );
  return rows;
}

/** Rows of apps that ended long ago are of no use to anybody. */
export async function tidyApps(knex: Knex): Promise<void> {
  await knex("apps").whereRaw("stopped_at < now() - make_interval(days => ?)", [KEPT_DAYS]).delete();
}
