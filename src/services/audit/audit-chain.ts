import { toCanonicalJson } from "../../core/canonical-json.js";
import { newId } from "../../core/ids.js";
import type { JsonValue } from "../../core/json.js";
import { toStorableText } from "../../core/storable-text.js";
import type { Db } from "../../models/repository.js";
import type { AuditEntry } from "./audit-entry.js";
import { redactState } from "./redact-state.js";

/** One statement with its parameters. */
export interface ChainStatement {
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** One writer at a time, until its commit: the next one must see this one's hash. */
const CHAIN_LOCK = 7238120020;
const LOCK = `SELECT pg_advisory_xact_lock(${CHAIN_LOCK})`;

/** Links all entries in one statement; each hash is over the one before it, the first over the newest that is stored. */
const APPEND = `
  WITH RECURSIVE entry AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS one (
      n int, id uuid, "actorType" text, "actorId" uuid, "actorName" text, action text, outcome text,
      "entityType" text, "entityId" text, "requestId" text, address text, before jsonb, after jsonb, content text)
  ), link (n, seq, at, previous_hash, hash) AS (
    SELECT 0, coalesce(max(tail.seq), 0), date_trunc('milliseconds', clock_timestamp()), NULL::bytea,
      coalesce((array_agg(tail.hash))[1], decode(repeat('00', 32), 'hex'))
    FROM (SELECT seq, hash FROM action_logs ORDER BY seq DESC LIMIT 1) AS tail
    UNION ALL
    SELECT entry.n, link.seq + 1, link.at, link.hash,
      sha256(link.hash || convert_to(
        (link.seq + 1) || E'\\n' || to_char(link.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
          || E'\\n' || entry.content, 'UTF8'))
    FROM link JOIN entry ON entry.n = link.n + 1
  )
  INSERT INTO action_logs (seq, id, at, actor_type, actor_id, actor_name, action, outcome, entity_type,
    entity_id, request_id, address, before, after, previous_hash, hash)
  SELECT link.seq, entry.id, link.at, entry."actorType", entry."actorId", entry."actorName", entry.action,
    entry.outcome, entry."entityType", entry."entityId", entry."requestId", entry.address, entry.before,
    entry.after, link.previous_hash, link.hash
  FROM link JOIN entry USING (n)`;

/** What appends entries in their order, for a transaction: the last that it does, since the lock is held to its end. */
export function toChainStatements(entries: readonly AuditEntry[]): ChainStatement[] {
  const records = entries.map((entry, index) => {
    const content = toContent(entry);
    return { n: index + 1, ...content, content: toCanonicalJson(content) };
  });
  return [
    { name: "audit-lock", text: LOCK, values: [] },
    // a statement of its own: its snapshot must be younger than the lock
    { name: "audit-append", text: APPEND, values: [JSON.stringify(records)] },
  ];
}

/** Appends entries within a transaction. */
export async function appendToChain(trx: Db, entries: readonly AuditEntry[]): Promise<void> {
  for (const { text, values } of toChainStatements(entries)) {
    await trx.raw(text.replace("$1", "?"), values as string[]);
  }
}

/** Keeps others from appending until the transaction's end. */
export async function lockChain(trx: Db): Promise<void> {
  await trx.raw(LOCK);
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
