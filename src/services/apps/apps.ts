import type { Knex } from "knex";
import type { App, AppDetail, AppListQuery } from "../../contracts/api/apps.js";
import type { Actor, RequestOrigin } from "../../core/actor.js";
import { isUuid } from "../../core/ids.js";
import { conflict } from "../../errors/app-error.js";
import type { PubSub } from "../../events/pub-sub.js";
import { AppModel } from "../../models/app-model.js";
import { createRepository, type Page } from "../../models/repository.js";
import type { Logger } from "../../observability/logger.js";
import type { AuditLog } from "../audit/audit-log.js";

/** What a proxy must know of an app. */
export type AppPlace = Pick<
  AppModel,
  "id" | "status" | "reason" | "waitForSubmit" | "hostname" | "gatewaySocket" | "gatewayUrl"
>;

/** Apps as people see them. Their workers run them. */
export interface Apps {
  list(query: AppListQuery): Promise<Page<App>>;
  /** @throws AppError NOT_FOUND */
  get(id: string): Promise<AppDetail>;
  /** Where it is to be reached. @throws AppError NOT_FOUND */
  findPlace(id: string): Promise<AppPlace>;
  /**
   * Asks its worker to stop it, which takes a moment; a step that waits for it then fails.
   * @throws AppError NOT_FOUND; CONFLICT when it has ended
   */
  stop(id: string, by: { readonly actor: Actor; readonly origin: RequestOrigin }): Promise<App>;
}

/** The dependencies of the service. */
export interface AppsDeps {
  readonly knex: Knex;
  readonly audit: AuditLog;
  readonly pubSub: PubSub;
  readonly logger: Logger;
}

const apps = createRepository<AppModel>(AppModel, "App");

/** Makes the service. */
export function createApps({ knex, audit, pubSub, logger }: AppsDeps): Apps {
  return {
    async list({ status, runId, ...page }) {
      const found = await apps.listPage(knex, page, (query) => {
        if (status !== undefined) void query.where("status", status);
        if (runId !== undefined && isUuid(runId)) void query.where("run_id", runId);
        else if (runId !== undefined) void query.whereRaw("false");
      });
      return { ...found, items: found.items.map(present) };
    },
    async get(id) {
      const row = await apps.get(knex, id);
      return { ...present(row), logTail: row.logTail };
    },
    findPlace: async (id) => await apps.get(knex, id),
    async stop(id, { actor, origin }) {
      const after = await knex.transaction(async (trx) => {
        const before = await apps.get(trx, id);
        const [row] = (await AppModel.query(trx)
          .patch({ stopRequestedBy: actor.name, stopRequestedAt: AppModel.raw("now()") as unknown as Date })
          .where("id", id)
          .whereIn("status", ["starting", "running"])
          .returning("*")) as unknown as AppModel[];
        if (!row) throw conflict(`The app has ${before.status === "failed" ? "failed" : "stopped"} already`);
        const what = { action: "app.stop", entityType: "app", entityId: id, before: present(before) };
        await audit.record(trx, { actor, origin, ...what });
        return row;
      });
      // a hint: its worker reads the row with each heartbeat too
      pubSub
        .publish("control", { type: "stop-app", appId: id })
        .catch((error: unknown) => logger.warn({ err: error, appId: id }, "publish failed"));
      return present(after);
    },
  };
}

/** Where a browser opens an app: on the console's origin, from which it is sent on where apps have their own. */
export function toAppUrl(id: string): string {
  return `/apps/${id}/`;
}

function present(row: AppModel): App {
  return {
    id: row.id,
    name: row.name,
    url: toAppUrl(row.id),
    mode: row.mode,
    status: row.status,
    reason: row.reason,
    runId: row.runId,
    stepId: row.stepId,
    itemIndex: row.itemIndex < 0 ? null : row.itemIndex,
    mcpVersionId: row.mcpVersionId,
    workerId: row.workerId,
    waitForSubmit: row.waitForSubmit,
    submittedAt: row.submittedAt?.toISOString() ?? null,
    restarts: row.restarts,
    idleTimeoutSeconds: row.idleTimeoutSeconds,
    lastUsedAt: row.lastUsedAt.toISOString(),
    lastSeenAt: row.lastSeenAt.toISOString(),
    createdAt: row.createdAt.toISOString(),
    stoppedAt: row.stoppedAt?.toISOString() ?? null,
  };
}
