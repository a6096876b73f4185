import type { Knex } from "knex";
import type { EncryptionKey } from "../../config/load-keys.js";
import type { ActionLogModel } from "../../models/action-log-model.js";
import type { Db, Page, PageRequest } from "../../models/repository.js";
import { appendToChain } from "./audit-chain.js";
import type { AuditEntry } from "./audit-entry.js";
import { createCheckpointSigner } from "./checkpoint-signer.js";
import { type ActionLogFilter, iterateActionLogs, listActionLogs } from "./list-action-logs.js";
import { type ChainAnchor, type ChainVerdict, verifyChain } from "./verify-chain.js";

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
  /**
   * Recomputes the chain from its first entry, or from the checkpoint that took the place of removed ones, and compares
   * it with every checkpoint, and with an anchor that was kept elsewhere.
   */
  verify(signal: AbortSignal, anchor?: ChainAnchor): Promise<ChainVerdict>;
}

/** Makes the audit log over a database. */
export function createAuditLog(deps: {
  readonly knex: Knex;
  /** What checkpoints are signed with; without it their signatures are not judged. */
  readonly keys?: { readonly encryption: EncryptionKey };
}): AuditLog {
  const { knex } = deps;
  const signer = deps.keys && createCheckpointSigner(deps.keys);
  return {
    async record(db, entry) {
      if (db.isTransaction) await appendToChain(db, [entry]);
      else await db.transaction(async (trx) => appendToChain(trx, [entry]));
    },
    list: async (filter, page) => await listActionLogs(knex, filter, page),
    iterate: (filter, signal) => iterateActionLogs(knex, filter, signal),
    verify: async (signal, anchor) => await verifyChain({ knex, signer }, signal, anchor),
  };
}
