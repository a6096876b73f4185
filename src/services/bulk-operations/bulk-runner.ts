import type { Knex } from "knex";
import { type Actor, systemActor } from "../../core/actor.js";
import { canRole, type Permission, type Role, weakerRole } from "../../core/permissions.js";
import { AppError } from "../../errors/app-error.js";
import type { Logger } from "../../observability/logger.js";
import type { AuditLog } from "../audit/audit-log.js";
import type { RunCommands } from "../runs/run-commands.js";
import {
  endItems,
  endOperation,
  findOpenOperations,
  giveBackItems,
  type ItemOutcome,
  type OpenOperation,
  type TakenItem,
  takeItems,
} from "./bulk-items.js";
import { BULK_PERMISSIONS } from "./bulk-operations.js";

/** What the runner needs. */
export interface BulkRunnerDeps {
  readonly knex: Knex;
  readonly commands: Pick<RunCommands, "cancel" | "rerun">;
  readonly audit: AuditLog;
  readonly logger: Logger;
}

/** Works bulk operations off, item by item, as the person who asked. */
export interface BulkRunner {
  /**
   * One look at each open operation: takes the items whose turn it is, and does them. Two runners at once share the
   * work; what a runner that died has begun is taken up again, without a second effect.
   * @returns whether any operation is open
   */
  advance(signal: AbortSignal): Promise<boolean>;
}

/** Items done at once: the pool of connections is shared with everything else in the process. */
const MOST_AT_ONCE = 4;
/** Faults of ours are tried again so often. */
const MOST_ATTEMPTS = 5;

/** Makes a runner over the commands that act on one run. */
export function createBulkRunner(deps: BulkRunnerDeps): BulkRunner {
  const { knex, logger } = deps;

  async function advanceOperation(operation: OpenOperation, signal: AbortSignal): Promise<void> {
    if (!(await mayStill(knex, operation))) return await stop(deps, operation);
    const items = await takeItems(knex, operation);
    for (let from = 0; from < items.length && !signal.aborted; from += MOST_AT_ONCE) {
      const group = items.slice(from, from + MOST_AT_ONCE);
      const outcomes = await Promise.all(group.map(async (item) => await work(deps, operation, item)));
      await endItems(
        knex,
        operation.id,
        outcomes.filter((outcome) => outcome !== undefined),
      );
      const unfinished = group.filter((_item, index) => outcomes[index] === undefined);
      await giveBackItems(
        knex,
        operation.id,
        unfinished.map(({ position }) => position),
      );
    }
    await endOperation(knex, operation.id);
  }

  return {
    async advance(signal) {
      const open = await findOpenOperations(knex);
      for (const operation of open) {
        if (signal.aborted) break;
        try {
          await advanceOperation(operation, signal);
        } catch (error) {
          logger.warn({ err: error, operationId: operation.id }, "bulk operation interrupted");
        }
      }
      return open.length > 0;
    },
  };
}

/** One item. Undefined: a fault of ours, to be tried again. */
async function work(
  deps: BulkRunnerDeps,
  operation: OpenOperation,
  item: TakenItem,
): Promise<ItemOutcome | undefined> {
  const base = { position: item.position, runId: item.run_id, newRunId: null };
  try {
    if (operation.action === "cancel") {
      await deps.commands.cancel(item.run_id, operation.actor, operation.origin);
      return { ...base, status: "succeeded" };
    }
    return { ...base, status: "succeeded", newRunId: await rerun(deps, operation, item) };
  } catch (error) {
    if (await wasDoneBefore(deps.knex, operation, item)) {
      const newRunId = operation.action === "cancel" ? null : item.new_run_id;
      return { ...base, status: "succeeded", newRunId };
    }
    return toOutcome(deps, error, base, item.attempts);
  }
}

async function rerun(deps: BulkRunnerDeps, operation: OpenOperation, item: TakenItem): Promise<string> {
  // taken before by a process that died: it may have come as far as making the run
  if (item.attempts > 1 && (await wasDoneBefore(deps.knex, operation, item))) return item.new_run_id;
  const from = operation.action === "replay" ? "start" : (operation.rerun_from ?? undefined);
  const order = { from, newRunId: item.new_run_id };
  const { runId } = await deps.commands.rerun(item.run_id, order, operation.actor, operation.origin);
  return runId;
}

/** Whether an earlier try has had its effect. A cancel is only taken for ours when we have tried before. */
async function wasDoneBefore(knex: Knex, { action }: OpenOperation, item: TakenItem): Promise<boolean> {
  if (action !== "cancel")
    return (await knex("workflow_runs").first("id").where("id", item.new_run_id)) !== undefined;
  if (item.attempts === 1) return false;
  const run = await knex("workflow_runs").first("status").where("id", item.run_id);
  return run?.status === "canceled";
}

function toOutcome(
  { logger }: BulkRunnerDeps,
  error: unknown,
  base: Pick<ItemOutcome, "position" | "runId" | "newRunId">,
  attempts: number,
): ItemOutcome | undefined {
  if (error instanceof AppError && error.entry.fault === "caller") {
    const isSkipped = error.code === "CONFLICT" || error.code === "NOT_FOUND";
    return { ...base, status: isSkipped ? "skipped" : "failed", message: error.detail };
  }
  logger.warn({ err: error, runId: base.runId, attempts }, "bulk item failed for a reason of ours");
  if (attempts < MOST_ATTEMPTS) return undefined;
  return { ...base, status: "failed", message: "It could not be done; the server's log has the reason" };
}

/** Whether the person, and the API key, may still do what they have asked for. */
async function mayStill(knex: Knex, { action, actor }: OpenOperation): Promise<boolean> {
  const role = await roleNow(knex, actor);
  const permission: Permission = BULK_PERMISSIONS[action];
  return role !== undefined && canRole(role, permission);
}

async function roleNow(knex: Knex, actor: Actor): Promise<Role | undefined> {
  if (actor.type === "system") return actor.role;
  const user = await knex("users").first("role").where({ id: actor.userId, is_active: true });
  if (!user) return undefined;
  if (actor.apiKeyId === undefined) return user.role as Role;
  const key = await knex("api_keys")
    .first("role")
    .where("id", actor.apiKeyId)
    .whereNull("revoked_at")
    .whereRaw("(expires_at IS NULL OR expires_at > now())");
  return key && weakerRole(user.role as Role, key.role as Role);
}

/** Ends an operation whose author has lost the permission. */
async function stop({ knex, audit }: BulkRunnerDeps, { id, actor }: OpenOperation): Promise<void> {
  await knex.transaction(async (trx) => {
    const stopped = await trx("bulk_operations")
      .where("id", id)
      .whereNull("finished_at")
      .update({ status: "canceled", finished_at: trx.fn.now() });
    if (stopped === 0) return;
    await audit.record(trx, {
      actor: systemActor("bulk"),
      origin: null,
      action: "run.bulk_cancel",
      entityType: "bulk_operation",
      entityId: id,
      after: { reason: `${actor.name} may not do this any more` },
    });
  });
}
