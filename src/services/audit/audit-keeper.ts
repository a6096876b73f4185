import type { Knex } from "knex";
import type { EncryptionKey } from "../../config/load-keys.js";
import { systemActor } from "../../core/actor.js";
import type { Db } from "../../models/repository.js";
import type { Logger } from "../../observability/logger.js";
import { appendToChain, lockChain } from "./audit-chain.js";
import { type Checkpoint, createCheckpointSigner } from "./checkpoint-signer.js";

/** The dependencies of the keeper. */
export interface AuditKeeperDeps {
  readonly knex: Knex;
  readonly keys: { readonly encryption: EncryptionKey };
  readonly logger: Logger;
  /** The setting `AUDIT_RETENTION_DAYS`; undefined: everything is kept. */
  readonly days?: number | undefined;
}

/** Keeps the audit log verifiable, and as short as it may be. */
export interface AuditKeeper {
  /**
   * Notes the newest entry's hash in a signed checkpoint and in this process's own log: whoever removes the end of the
   * chain would have to change that too. @returns false when there is nothing new.
   */
  noteHead(): Promise<boolean>;
  /**
   * Removes entries that are older than the setting says. A signed checkpoint with the hash of the last of them takes
   * their place, so that what is left can still be verified. @returns how many went.
   */
  prune(signal: AbortSignal): Promise<number>;
}

const BATCH = 5_000;

/** Makes the keeper. */
export function createAuditKeeper(deps: AuditKeeperDeps): AuditKeeper {
  const { knex, logger, days } = deps;
  const signer = createCheckpointSigner(deps.keys);

  async function insert(db: Db, checkpoint: Checkpoint): Promise<void> {
    const { kind, seq, hash, at, keyId, signature } = signer.sign(checkpoint);
    await db("audit_checkpoints").insert({ kind, seq, hash, at, key_id: keyId, signature });
  }

  /** Promises the removal: from now on the database lets go of these entries, and of no others. */
  async function notePrune(): Promise<void> {
    await knex.transaction(async (trx) => {
      const last = await trx("action_logs")
        .first("seq", "hash")
        .whereRaw("at < now() - make_interval(days => ?)", [days ?? 0])
        // the newest always stays: the next one is linked to it
        .whereRaw("seq < (SELECT max(seq) FROM action_logs)")
        .orderBy("seq", "desc");
      if (!last) return;
      const seq = Number(last.seq);
      const before = await trx("action_logs").where("seq", "<=", seq).count({ count: "*" });
      await insert(trx, { kind: "prune", seq, hash: last.hash, at: new Date() });
      await lockChain(trx);
      await appendToChain(trx, [
        {
          actor: systemActor("retention"),
          origin: null,
          action: "audit.prune",
          entityType: "action_log",
          after: { throughSeq: seq, count: Number(before[0]?.["count"] ?? 0), olderThanDays: days ?? 0 },
        },
      ]);
    });
  }

  return {
    async noteHead() {
      const head = await knex("action_logs").first("seq", "hash").orderBy("seq", "desc");
      const noted = await knex("audit_checkpoints").max({ seq: "seq" }).first();
      if (!head || Number(noted?.["seq"] ?? 0) >= Number(head.seq)) return false;
      const seq = Number(head.seq);
      await insert(knex, { kind: "head", seq, hash: head.hash, at: new Date() });
      logger.info({ seq, hash: (head.hash as Buffer).toString("hex") }, "audit log checkpoint");
      return true;
    },
    async prune(signal) {
      if (days === undefined) return 0;
      await notePrune();
      return await removePromised(knex, signal);
    },
  };
}

async function removePromised(knex: Knex, signal: AbortSignal): Promise<number> {
  const oldest = knex("action_logs")
    .select("seq")
    .whereRaw("seq <= (SELECT max(seq) FROM audit_checkpoints WHERE kind = 'prune')")
    .orderBy("seq")
    .limit(BATCH);
  let removed = 0;
  for (;;) {
    signal.throwIfAborted();
    const count = await knex("action_logs").whereIn("seq", oldest.clone()).delete();
    removed += count;
    if (count < BATCH) return removed;
  }
}
