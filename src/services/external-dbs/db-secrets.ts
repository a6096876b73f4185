import type { DbSecrets } from "../../connectors/types.js";
import type { ExternalDbConfigModel } from "../../models/external-db-config-model.js";
import type { Cipher } from "../secrets/cipher.js";
import { sealContext } from "../secrets/sealed-columns.js";

/** The columns that hold the secrets of a database. */
export function sealDbSecrets(cipher: Cipher, id: string, secrets: DbSecrets) {
  const secretNames = Object.keys(secrets);
  if (secretNames.length === 0) return { secretNames, secretKeyId: null, secretCiphertext: null };
  const { keyId, ciphertext } = cipher.seal(JSON.stringify(secrets), sealContext("external-db", id));
  return { secretNames, secretKeyId: keyId, secretCiphertext: ciphertext };
}

/**
 * The secrets of a database.
 * @throws AppError NOT_READY when the present ENCRYPTION_KEY did not make them.
 */
export function openDbSecrets(cipher: Cipher, row: ExternalDbConfigModel): DbSecrets {
  const { id, secretKeyId: keyId, secretCiphertext: ciphertext } = row;
  if (keyId === null || ciphertext === null) return {};
  return JSON.parse(cipher.unseal({ keyId, ciphertext }, sealContext("external-db", id))) as DbSecrets;
}
