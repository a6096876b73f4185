import { randomBytes } from "node:crypto";
import type { WebhookModel } from "../../models/webhook-model.js";
import type { Cipher } from "../secrets/cipher.js";
import { sealContext } from "../secrets/sealed-columns.js";

/** What a request says of a webhook's secret. */
export interface WantedSecret {
  readonly secret?: string | null | undefined;
  readonly generateSecret?: boolean | undefined;
}

/** The columns that hold a secret, and the secret itself when it was made here and has to be shown. */
export interface SealedSecret {
  readonly columns: Pick<WebhookModel, "secretKeyId" | "secretCiphertext">;
  readonly generated?: string;
}

const NONE: SealedSecret = { columns: { secretKeyId: null, secretCiphertext: null } };

/** Encrypts the secret that is wanted for a webhook; undefined when nothing is said of it. */
export function sealSecret(
  cipher: Cipher,
  webhookId: string,
  wanted: WantedSecret,
): SealedSecret | undefined {
  const generated = wanted.generateSecret === true ? randomBytes(32).toString("base64url") : undefined;
  const secret = generated ?? wanted.secret;
  if (secret === undefined) return undefined;
  if (secret === null) return NONE;
  const { keyId, ciphertext } = cipher.seal(secret, sealContext("webhook", webhookId));
  const columns = { secretKeyId: keyId, secretCiphertext: ciphertext };
  return generated === undefined ? { columns } : { columns, generated };
}

/**
 * The secret of a webhook; undefined when its deliveries need not be signed.
 * @throws AppError NOT_READY when the present ENCRYPTION_KEY did not make it.
 */
export function openSecret(cipher: Cipher, webhook: WebhookModel): string | undefined {
  const { id, secretKeyId: keyId, secretCiphertext: ciphertext } = webhook;
  if (keyId === null || ciphertext === null) return undefined;
  return cipher.unseal({ keyId, ciphertext }, sealContext("webhook", id));
}
