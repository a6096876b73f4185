import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import type { EncryptionKey } from "../../config/load-keys.js";

/** What a checkpoint says. */
export interface Checkpoint {
  readonly kind: "head" | "prune";
  readonly seq: number;
  readonly hash: Buffer;
  readonly at: Date;
}

/** A checkpoint as it is stored. */
export interface SignedCheckpoint extends Checkpoint {
  readonly keyId: string;
  readonly signature: Buffer;
}

/** Signs checkpoints with a key that the database does not have. */
export interface CheckpointSigner {
  sign(checkpoint: Checkpoint): SignedCheckpoint;
  /** `unknown`: the key that signed it is not at hand any more. */
  judge(checkpoint: SignedCheckpoint): "good" | "bad" | "unknown";
}

/** Makes a signer from the installation's encryption keys. */
export function createCheckpointSigner({
  encryption,
}: {
  readonly encryption: EncryptionKey;
}): CheckpointSigner {
  const keys = new Map([...(encryption.readable ?? []), encryption].map((each) => [each.id, derive(each)]));
  return {
    sign: (checkpoint) => ({
      ...checkpoint,
      keyId: encryption.id,
      signature: compute(derive(encryption), checkpoint),
    }),
    judge(checkpoint) {
      const key = keys.get(checkpoint.keyId);
      if (!key) return "unknown";
      const wanted = compute(key, checkpoint);
      const isGood =
        wanted.length === checkpoint.signature.length && timingSafeEqual(wanted, checkpoint.signature);
      return isGood ? "good" : "bad";
    },
  };
}

function derive({ key }: EncryptionKey): Buffer {
  return Buffer.from(hkdfSync("sha256", key, "headrace", "audit-checkpoints", 32));
}

function compute(key: Buffer, { kind, seq, hash, at }: Checkpoint): Buffer {
  return createHmac("sha256", key)
    .update(`${kind}\n${seq}\n${hash.toString("hex")}\n${at.toISOString()}`)
    .digest();
}
