import { createHash } from "node:crypto";
import type { Knex } from "knex";
import { toCanonicalJson } from "../../core/canonical-json.js";
import { ActionLogModel } from "../../models/action-log-model.js";

/** What the check of the chain found. Keep `head` elsewhere: only that shows a chain cut off at its end. */
export interface ChainVerdict {
  readonly valid: boolean;
  readonly checkedCount: number;
  /** The first entry that is missing, changed, or not linked to the one before it. */
  readonly firstBadSeq: number | null;
  readonly reason: string | null;
  readonly head: { readonly seq: number; readonly hash: string } | null;
}

const PAGE = 1000;

/** Recomputes every hash from the first entry on, and stops at the first that does not fit. */
export async function verifyChain(knex: Knex, signal: AbortSignal): Promise<ChainVerdict> {
  let seq = 0;
  let hash: Buffer = Buffer.alloc(32);
  for (;;) {
    signal.throwIfAborted();
    const rows = await ActionLogModel.query(knex).where("seq", ">", seq).orderBy("seq").limit(PAGE);
    for (const row of rows) {
      const reason = findFault(row, seq + 1, hash);
      if (reason) {
        const firstBadSeq = Math.min(row.seq, seq + 1);
        return { valid: false, checkedCount: seq, firstBadSeq, reason, head: toHead(seq, hash) };
      }
      seq = row.seq;
      hash = row.hash;
    }
    if (rows.length < PAGE) break;
  }
  return { valid: true, checkedCount: seq, firstBadSeq: null, reason: null, head: toHead(seq, hash) };
}

function toHead(seq: number, hash: Buffer): ChainVerdict["head"] {
  return seq === 0 ? null : { seq, hash: hash.toString("hex") };
}

function findFault(row: ActionLogModel, expectedSeq: number, previousHash: Buffer): string | null {
  if (row.seq !== expectedSeq) return "entry is missing";
  if (!row.previousHash.equals(previousHash)) return "entry is not linked to the one before it";
  if (!row.hash.equals(hashEntry(row))) return "entry was changed";
  return null;
}

/** The same text that the appending statement hashes. */
function hashEntry(row: ActionLogModel): Buffer {
  const content = toCanonicalJson({
    id: row.id,
    actorType: row.actorType,
    actorId: row.actorId,
    actorName: row.actorName,
    action: row.action,
    outcome: row.outcome,
    entityType: row.entityType,
    entityId: row.entityId,
    requestId: row.requestId,
    address: row.address,
    before: row.before,
    after: row.after,
  });
  return createHash("sha256")
    .update(row.previousHash)
    .update(`${row.seq}\n${row.at.toISOString()}\n${content}`)
    .digest();
}
