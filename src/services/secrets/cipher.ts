import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { EncryptionKey } from "../../config/load-keys.js";
import { AppError } from "../../errors/app-error.js";

/** A ciphertext and the id of the key that made it. */
export interface Sealed {
  readonly keyId: string;
  readonly ciphertext: Buffer;
}

/** Encrypts what is stored and must come back: secrets, passwords of external databases, keys of webhooks. */
export interface Cipher {
  /** `context` names the place, `secret:API_TOKEN`: a ciphertext opens nowhere else. */
  seal(plaintext: string, context: string): Sealed;
  /** Takes earlier keys that are still readable, too. @throws AppError NOT_READY "cannot decrypt …" with another key, in another context, or when it was changed. */
  unseal(sealed: Sealed, context: string): string;
  /** The id of the key that {@link Cipher.seal} takes. */
  readonly keyId: string;
}

const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Makes an AES-256-GCM cipher over the installation's keys. */
export function createCipher(deps: { readonly encryption: EncryptionKey }): Cipher {
  const { id, key, readable = [] } = deps.encryption;
  const keys = new Map([...readable, deps.encryption].map((each) => [each.id, each.key]));
  const findKey = (keyId: string): Buffer | undefined => {
    if (!keys.has(keyId))
      for (const each of deps.encryption.readReadable?.() ?? []) keys.set(each.id, each.key);
    return keys.get(keyId);
  };
  return {
    keyId: id,
    seal(plaintext, context) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(context));
      const encrypted = Buffer.concat([cipher.update(plaintext, "utf8"), cipher.final()]);
      return { keyId: id, ciphertext: Buffer.concat([iv, cipher.getAuthTag(), encrypted]) };
    },
    unseal(sealed, context) {
      try {
        const made = findKey(sealed.keyId);
        if (!made) throw new Error(`made with key ${sealed.keyId}, the present one is ${id}`);
        const iv = sealed.ciphertext.subarray(0, IV_BYTES);
        const tag = sealed.ciphertext.subarray(IV_BYTES, IV_BYTES + TAG_BYTES);
        const decipher = createDecipheriv("aes-256-gcm", made, iv, { authTagLength: TAG_BYTES });
        decipher.setAAD(Buffer.from(context)).setAuthTag(tag);
        const encrypted = sealed.ciphertext.subarray(IV_BYTES + TAG_BYTES);
        return Buffer.concat([decipher.update(encrypted), decipher.final()]).toString("utf8");
      } catch (cause) {
        throw new AppError("NOT_READY", describeFailure(context, sealed.keyId, keys), { cause });
      }
    },
  };
}

/** The key's id says nothing of the key, and tells an operator which one is missing. */
function describeFailure(context: string, keyId: string, keys: ReadonlyMap<string, Buffer>): string {
  return keys.has(keyId)
    ? `Cannot decrypt ${context}: what is stored was changed, or belongs elsewhere`
    : `Cannot decrypt ${context} with the present ENCRYPTION_KEY: it was made with the key ${keyId}`;
}
