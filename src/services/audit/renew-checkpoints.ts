import type { Knex } from "knex";
import type { EncryptionKey } from "../../config/load-keys.js";
import { createCheckpointSigner, type SignedCheckpoint } from "./checkpoint-signer.js";

/**
 * Signs the newest checkpoint of each kind anew with the present key where another one at hand has signed it: the audit
 * log can then still be verified when that one is forgotten. Checkpoints never change, so each is put beside the old one.
 */
export async function renewCheckpoints(
  knex: Knex,
  keys: { readonly encryption: EncryptionKey },
): Promise<number> {
  const signer = createCheckpointSigner(keys);
  let renewed = 0;
  for (const kind of ["prune", "head"] as const) {
    const row = await knex("audit_checkpoints")
      .first("kind", "seq", "hash", "at", { keyId: "key_id" }, "signature")
      .where({ kind })
      // of several for the same entry, one by the present key
      .orderByRaw("seq DESC, (key_id = ?) DESC, id DESC", [keys.encryption.id]);
    if (!row || row.keyId === keys.encryption.id) continue;
    const checkpoint = { ...row, seq: Number(row.seq) } as SignedCheckpoint;
    if (signer.judge(checkpoint) !== "good") continue;
    const { seq, hash, at, keyId, signature } = signer.sign(checkpoint);
    await knex("audit_checkpoints").insert({ kind, seq, hash, at, key_id: keyId, signature });
    renewed += 1;
  }
  return renewed;
}
