/** Where a table keeps what is encrypted at rest. */
export interface SealedColumns {
  readonly table: string;
  readonly id: string;
  readonly keyId: string;
  readonly ciphertext: string;
  /** What a ciphertext of this table is bound to, before the row's id: it opens in no other row. */
  readonly context: string;
}

/** Every place that is encrypted at rest. Rotation re-encrypts these; a test compares them with the schema. */
export const SEALED_COLUMNS = [
  { table: "secrets", id: "name", keyId: "key_id", ciphertext: "ciphertext", context: "secret" },
  {
    table: "external_db_configs",
    id: "id",
    keyId: "secret_key_id",
    ciphertext: "secret_ciphertext",
    context: "external-db",
  },
  {
    table: "webhooks",
    id: "id",
    keyId: "secret_key_id",
    ciphertext: "secret_ciphertext",
    context: "webhook",
  },
  {
    table: "llm_providers",
    id: "id",
    keyId: "credentials_key_id",
    ciphertext: "credentials_ciphertext",
    context: "llm-provider",
  },
] as const satisfies readonly SealedColumns[];

/** The place of a ciphertext, for {@link Cipher.seal}. */
export function sealContext(kind: (typeof SEALED_COLUMNS)[number]["context"], id: string): string {
  return `${kind}:${id}`;
}
