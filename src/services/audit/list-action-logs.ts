import type { Knex } from "knex";
import { isUuid } from "../../core/ids.js";
import { invalidFields } from "../../errors/app-error.js";
import { ActionLogModel } from "../../models/action-log-model.js";
import type { Page, PageRequest } from "../../models/repository.js";

/** What narrows a list of the audit log. All given conditions must hold. */
export interface ActionLogFilter {
  /** The id of a person or an API key, or the exact name that was recorded. */
  readonly actor?: string | undefined;
  /** `noun.verb`, or `noun.*` for everything done to one kind. */
  readonly action?: string | undefined;
  readonly entityType?: string | undefined;
  readonly entityId?: string | undefined;
  /** ISO 8601; entries at or after. */
  readonly from?: string | undefined;
  /** ISO 8601; entries before. */
  readonly to?: string | undefined;
}

/** One page, newest first; the cursor is the last entry's number. */
export async function listActionLogs(
  knex: Knex,
  filter: ActionLogFilter,
  page: PageRequest,
): Promise<Page<ActionLogModel>> {
  const before = parseSeqCursor(page.cursor);
  const rows = await queryEntries(knex, filter, before).limit(page.limit + 1);
  const items = rows.slice(0, page.limit);
  const last = items.at(-1);
  const hasMore = rows.length > page.limit && last !== undefined;
  return { items, nextCursor: hasMore ? Buffer.from(String(last.seq)).toString("base64url") : null };
}

/** Everything that a filter leaves, newest first, read in pages. */
export async function* iterateActionLogs(
  knex: Knex,
  filter: ActionLogFilter,
  signal: AbortSignal,
): AsyncGenerator<ActionLogModel> {
  const pageSize = 500;
  let before: number | undefined;
  for (;;) {
    signal.throwIfAborted();
    const rows = await queryEntries(knex, filter, before).limit(pageSize);
    yield* rows;
    before = rows.at(-1)?.seq;
    if (rows.length < pageSize) return;
  }
}

function queryEntries(knex: Knex, filter: ActionLogFilter, before: number | undefined) {
  const query = ActionLogModel.query(knex).orderBy("seq", "desc");
  if (before !== undefined) void query.where("seq", "<", before);
  if (filter.actor !== undefined) {
    void query.where(isUuid(filter.actor) ? "actor_id" : "actor_name", filter.actor);
  }
  if (filter.action?.endsWith(".*")) {
    const noun = filter.action.slice(0, -1);
    void query.whereRaw("left(action, ?) = ?", [noun.length, noun]);
  } else if (filter.action !== undefined) {
    void query.where("action", filter.action);
  }
  if (filter.entityType !== undefined) void query.where("entity_type", filter.entityType);
  if (filter.entityId !== undefined) void query.where("entity_id", filter.entityId);
  if (filter.from !== undefined) void query.where("at", ">=", filter.from);
  if (filter.to !== undefined) void query.where("at", "<", filter.to);
  return query;
}

function parseSeqCursor(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined;
  const text = Buffer.from(cursor, "base64url").toString("utf8");
  if (!/^[1-9][0-9]{0,14}$/.test(text) || Buffer.from(text).toString("base64url") !== cursor) {
    throw invalidFields([{ path: "/cursor", message: "is not a cursor of this list" }]);
  }
  return Number(text);
}
