import type { Knex } from "knex";
import { toCanonicalJson } from "../../core/canonical-json.js";
import { newId } from "../../core/ids.js";
import type { Actor, RequestOrigin } from "../../core/actor.js";
import type { JsonValue } from "../../core/json.js";
import type { ActionLogModel, ActionOutcome } from "../../models/action-log-model.js";
import type { Db, Page, PageRequest } from "../../models/repository.js";
import { type ActionLogFilter, iterateActionLogs, listActionLogs } from "./list-action-logs.js";
import { redactState } from "./redact-state.js";
import { toStorableText } from "../../core/storable-text.js";
import { type ChainVerdict, verifyChain } from "./verify-chain.js";

/** What happened, as a service reports it. */
export interface AuditEntry {
  readonly actor: Actor;
  /** Null for what Headrace does by itself. */
  readonly origin: RequestOrigin | null;
  /** `noun.verb`, in the words of the API: `workflow.publish`, `user.create`. */
  readonly action: string;
  readonly entityType?: string;
  readonly entityId?: string;
  /** The entity's state; secrets are removed by member name before it is stored. */
  readonly before?: unknown;
  readonly after?: unknown;
  /** Default: `succeeded`. */
  readonly outcome?: ActionOutcome;
}

/** The audit log: append-only, without gaps, each entry hashed over the one before it. */
export interface AuditLog {
  /**
   * Appends one entry. Inside a transaction it becomes part of it, so that a change and its entry stand or fall
   * together: call it last, since it takes the chain's lock until the commit. Given the pool, it commits by itself.
   */
  record(db: Db, entry: AuditEntry): Promise<void>;
  /** One page, newest first. */
  list(filter: ActionLogFilter, page: PageRequest): Promise<Page<ActionLogModel>>;
  /** Every entry that a filter leaves, newest first, for exports; reads in pages. */
  iterate(filter: ActionLogFilter, signal: AbortSignal): AsyncIterable<ActionLogModel>;
  /** Recomputes the chain from its first entry. */
  verify(signal: AbortSignal): Promise<ChainVerdict>;
}

/** Makes the audit log over a database. */
export function createAuditLog(deps: { readonly knex: Knex }): AuditLog {
  const { knex } = deps;
  return {
    async record(db, entry) {
      if (db.isTransaction) await append(db, entry);
      else await db.transaction(async (trx) => append(trx, entry));
    },
    list: async (filter, page) => await listActionLogs(knex, filter, page),
    iterate: (filter, signal) => iterateActionLogs(knex, filter, signal),
    verify: async (signal) => await verifyChain(knex, signal),
  };
}

/** One writer at a time, until its commit: the next one must see this one's hash. */
const CHAIN_LOCK = 7238120020;

async function append(trx: Db, entry: AuditEntry): Promise<void> {
  const content = toContent(entry);
  await trx.raw("SELECT pg_advisory_xact_lock(?)", [CHAIN_LOCK]);
  // a statement of its own: its snapshot must be younger than the lock
  await trx.raw(
    `INSERT INTO action_logs (seq, id, at, actor_type, actor_id, actor_name, action, outcome, entity_type,
       entity_id, request_id, address, before, after, previous_hash, hash)
     SELECT link.seq, :id, link.at, :actorType, :actorId, :actorName, :action, :outcome, :entityType,
       :entityId, :requestId, :address, :before::jsonb, :after::jsonb, link.previous_hash,
       sha256(link.previous_hash || convert_to(
         link.seq || E'\\n' || to_char(link.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || E'\\n' || :content,
         'UTF8'))
     FROM (
       SELECT coalesce(max(tail.seq), 0) + 1 AS seq,
         date_trunc('milliseconds', clock_timestamp()) AS at,
         coalesce((array_agg(tail.hash))[1], decode(repeat('00', 32), 'hex')) AS previous_hash
       FROM (SELECT seq, hash FROM action_logs ORDER BY seq DESC LIMIT 1) AS tail
     ) AS link`,
    {
      ...content,
      before: content.before === null ? null : JSON.stringify(content.before),
      after: content.after === null ? null : JSON.stringify(content.after),
      content: toCanonicalJson(content),
    },
  );
}

function toContent(entry: AuditEntry) {
  const text = (value: string | null | undefined) =>
    value == null ? null : toStorableText(value).slice(0, 300);
  return {
    id: newId(),
    actorType: entry.actor.type,
    actorId: entry.actor.userId,
    actorName: text(entry.actor.name) ?? "",
    action: entry.action,
    outcome: entry.outcome ?? "succeeded",
    entityType: text(entry.entityType),
    entityId: text(entry.entityId),
    requestId: text(entry.origin?.requestId),
    address: text(entry.origin?.address),
    before: redactState(entry.before) as JsonValue,
    after: redactState(entry.after) as JsonValue,
  };
}
