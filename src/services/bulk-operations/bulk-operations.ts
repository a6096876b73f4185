import type { Knex } from "knex";
import type { BulkFilter, BulkOperation, CreateBulkOperation } from "../../contracts/api/bulk-operations.js";
import type { Actor, RequestOrigin } from "../../core/actor.js";
import { newId } from "../../core/ids.js";
import type { JsonValue } from "../../core/json.js";
import type { Permission } from "../../core/permissions.js";
import { conflict, notFound } from "../../errors/app-error.js";
import { BulkOperationModel } from "../../models/bulk-operation-model.js";
import { createRepository, type Db, type Page, type PageRequest } from "../../models/repository.js";
import { assertCan } from "../access/assert-can.js";
import type { AuditLog } from "../audit/audit-log.js";
import { prepareRunFilter } from "../runs/list-runs.js";
import type { NewestRuns } from "../runs/search-runs.js";

/** Actions on many runs: asked for here, done by the bulk runner. */
export interface BulkOperations {
  /**
   * Fixes the runs that are meant and leaves the rest to the runner.
   * @throws AppError FORBIDDEN when the actor may not do this to one run either.
   */
  create(body: CreateBulkOperation, actor: Actor, origin: RequestOrigin): Promise<BulkOperation>;
  /** @throws AppError NOT_FOUND */
  get(id: string): Promise<BulkOperation>;
  /** Newest first. @throws AppError INVALID_FIELDS for a foreign cursor. */
  list(page: PageRequest): Promise<Page<BulkOperation>>;
  /**
   * Stops it: no run that was not yet taken is touched any more.
   * @throws AppError NOT_FOUND; CONFLICT when it has ended.
   */
  cancel(id: string, actor: Actor, origin: RequestOrigin): Promise<BulkOperation>;
}

/** What it needs. */
export interface BulkOperationDeps {
  readonly knex: Knex;
  readonly audit: AuditLog;
}

const operations = createRepository<BulkOperationModel>(BulkOperationModel, "Bulk operation");

/** What an action demands, here as for one run. */
export const BULK_PERMISSIONS = {
  cancel: "run:cancel",
  rerun: "run:start",
  replay: "run:start",
} as const satisfies Record<string, Permission>;

/** Makes the service over a database. */
export function createBulkOperations({ knex, audit }: BulkOperationDeps): BulkOperations {
  return {
    async create(body, actor, origin) {
      assertCan(actor, BULK_PERMISSIONS[body.action]);
      const findNewest = await prepareRunFilter(knex, body.filter);
      const id = newId();
      return await knex.transaction(async (trx) => {
        await insertOperation(trx, id, body, actor, origin);
        if (findNewest) await fixRuns(trx, id, body, findNewest);
        const row = await operations.get(trx, id);
        await audit.record(trx, {
          ...entryOf("run.bulk", id, actor, origin),
          after: { action: row.action, filter: row.filter, total: row.total },
        });
        return presentBulkOperation(row);
      });
    },

    get: async (id) => presentBulkOperation(await operations.get(knex, id)),

    async list(page) {
      const found = await operations.listPage(knex, page);
      return { ...found, items: found.items.map(presentBulkOperation) };
    },

    async cancel(id, actor, origin) {
      return await knex.transaction(async (trx) => {
        const row = await BulkOperationModel.query(trx).where("id", id).forUpdate().first();
        if (!row) throw notFound("Bulk operation");
        if (row.finishedAt) throw conflict(`the operation has ${row.status}`);
        await trx("bulk_operations")
          .where("id", id)
          .update({ status: "canceled", finished_at: trx.fn.now() });
        const after = await operations.get(trx, id);
        await audit.record(trx, entryOf("run.bulk_cancel", id, actor, origin));
        return presentBulkOperation(after);
      });
    },
  };
}

async function insertOperation(
  trx: Db,
  id: string,
  body: CreateBulkOperation,
  actor: Actor,
  origin: RequestOrigin,
): Promise<void> {
  await trx("bulk_operations").insert({
    id,
    action: body.action,
    filter: JSON.stringify(toShownFilter(body.filter)),
    rerun_from: body.from ?? null,
    rate_per_second: body.ratePerSecond,
    status: "queued",
    total: 0,
    actor: JSON.stringify(actor),
    origin: JSON.stringify(origin),
  });
}

/** Notes the runs that the filter leaves now: the newest, to be worked on in the order in which they were made. */
async function fixRuns(
  trx: Knex.Transaction,
  id: string,
  body: CreateBulkOperation,
  findNewest: NewestRuns,
): Promise<void> {
  const { ids } = body.filter;
  const chosen = findNewest(trx, body.limit, (query) => {
    if (ids) void query.whereRaw("workflow_runs.id = ANY (?::uuid[])", [ids]);
    else if (body.action === "cancel") void query.whereIn("status", ["queued", "running", "waiting"]);
    else void query.whereIn("status", ["succeeded", "failed", "canceled"]);
  });
  await trx.raw(
    `INSERT INTO bulk_operation_items (operation_id, position, run_id)
     SELECT ?, row_number() OVER (ORDER BY chosen.id), chosen.id FROM (?) AS chosen`,
    [id, chosen],
  );
  await trx.raw(
    `UPDATE bulk_operations SET total = (SELECT count(*) FROM bulk_operation_items WHERE operation_id = :id)
     WHERE id = :id`,
    { id },
  );
}

/** The filter as it was given: labels as `name:value`. */
function toShownFilter({ label, ...rest }: BulkFilter): JsonValue {
  const shown = label?.map(({ name, value }) => `${name}:${value}`);
  return { ...rest, ...(shown ? { label: shown } : {}) } as JsonValue;
}

function entryOf(action: string, id: string, actor: Actor, origin: RequestOrigin) {
  return { actor, origin, action, entityType: "bulk_operation", entityId: id };
}

function presentBulkOperation(row: BulkOperationModel): BulkOperation {
  const { id, action, status, filter, ratePerSecond, total, succeeded, failed, skipped, errors } = row;
  return {
    id,
    action,
    status,
    filter,
    ...(row.rerunFrom === null ? {} : { from: row.rerunFrom }),
    ratePerSecond,
    total,
    done: succeeded + failed + skipped,
    succeeded,
    failed,
    skipped,
    errors,
    createdBy: { id: row.actor.userId, name: row.actor.name },
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}
