import type { LlmProviderModel } from "../../models/llm-provider-model.js";
import type { Cipher } from "../secrets/cipher.js";
import { sealContext } from "../secrets/sealed-columns.js";

/** What is sent to a provider to prove who calls. */
export interface ProviderCredentials {
  readonly apiKey?: string;
  readonly headers: Readonly<Record<string, string>>;
}

type Columns = Pick<
  LlmProviderModel,
  "credentialsKeyId" | "credentialsCiphertext" | "hasApiKey" | "headerNames"
>;

/** The columns that hold a provider's credentials. */
export function sealCredentials(cipher: Cipher, providerId: string, given: ProviderCredentials): Columns {
  const headerNames = Object.keys(given.headers);
  const hasApiKey = given.apiKey !== undefined;
  if (!hasApiKey && headerNames.length === 0) {
    return { credentialsKeyId: null, credentialsCiphertext: null, hasApiKey, headerNames };
  }
  const { keyId, ciphertext } = cipher.seal(JSON.stringify(given), sealContext("llm-provider", providerId));
  return { credentialsKeyId: keyId, credentialsCiphertext: ciphertext, hasApiKey, headerNames };
}

/** @throws AppError NOT_READY when the present ENCRYPTION_KEY did not make them. */
export function openCredentials(cipher: Cipher, row: LlmProviderModel): ProviderCredentials {
  const { id, credentialsKeyId: keyId, credentialsCiphertext: ciphertext } = row;
  if (keyId === null || ciphertext === null) return { headers: {} };
  return JSON.parse(
    cipher.unseal({ keyId, ciphertext }, sealContext("llm-provider", id)),
  ) as ProviderCredentials;
}
