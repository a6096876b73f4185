import type { LlmProviderModel } from "../../models/llm-provider-model.js";
import type { Cipher } from "../secrets/cipher.js";

/** The columns of a key that is wanted for a provider; undefined when nothing is said of it. */
export function sealKey(
  cipher: Cipher,
  providerId: string,
  apiKey: string | null | undefined,
): Pick<LlmProviderModel, "keyId" | "ciphertext"> | undefined {
  if (apiKey === undefined) return undefined;
  return apiKey === null ? { keyId: null, ciphertext: null } : cipher.seal(apiKey, contextOf(providerId));
}

/**
 * The key of a provider; undefined when it has none.
 * @throws AppError NOT_READY when the present ENCRYPTION_KEY did not make it.
 */
export function openKey(
  cipher: Cipher,
  { id, keyId, ciphertext }: Pick<LlmProviderModel, "id" | "keyId" | "ciphertext">,
): string | undefined {
  if (keyId === null || ciphertext === null) return undefined;
  return cipher.unseal({ keyId, ciphertext }, contextOf(id));
}

function contextOf(providerId: string): string {
  return `llm-provider:${providerId}`;
}
