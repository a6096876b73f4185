import type { Knex } from "knex";
import type { Keys } from "../../config/load-keys.js";
import {
  MAX_SECRET_BYTES,
  type PutSecret,
  SECRET_NAME_PATTERN,
  type Secret,
} from "../../contracts/api/secrets.js";
import type { By } from "../../core/actor.js";
import { AppError, invalidFields, notFound } from "../../errors/app-error.js";
import type { Db, Page, PageRequest } from "../../models/repository.js";
import { SecretModel } from "../../models/secret-model.js";
import type { AuditLog } from "../audit/audit-log.js";
import { type Cipher, createCipher } from "./cipher.js";

/** A secret with its value, for the worker alone. */
export interface SecretValue {
  readonly value: string;
  /** When set, outgoing calls may send the value to these hosts alone. */
  readonly hosts: readonly string[] | null;
}

/** The secrets of an installation: written through the API, read by workers. */
export interface SecretStore {
  /** Creates or replaces. @throws AppError INVALID_FIELDS, BODY_TOO_LARGE, REVISION_STALE */
  put(
    who: By,
    name: string,
    input: PutSecret,
    revision?: number,
  ): Promise<{ secret: Secret; isNew: boolean }>;
  /** Never the value. @throws AppError NOT_FOUND */
  get(name: string): Promise<Secret>;
  /** @throws AppError NOT_FOUND */
  delete(who: By, name: string): Promise<void>;
  /** One page, newest first. */
  list(page: PageRequest): Promise<Page<Secret>>;
  /**
   * The values of secrets by name; names that are not stored are left out.
   * @throws AppError NOT_READY "cannot decrypt …" when the present ENCRYPTION_KEY did not make them.
   */
  readValues(names: readonly string[]): Promise<Record<string, string>>;
  /** The same with the hosts that each value may be sent to. */
  readBound(names: readonly string[]): Promise<Map<string, SecretValue>>;
  /** Which of these names are stored; for validation. */
  existing(names: readonly string[], db?: Db): Promise<Set<string>>;
}

/** Makes the store. */
export function createSecretStore(deps: {
  readonly knex: Knex;
  readonly keys: Pick<Keys, "encryption">;
  readonly audit: AuditLog;
}): SecretStore {
  const { knex, audit } = deps;
  const cipher = createCipher(deps.keys);

  async function get(name: string): Promise<SecretModel> {
    const row = SECRET_NAME_PATTERN.test(name) ? await SecretModel.query(knex).findById(name) : undefined;
    if (!row) throw notFound("Secret");
    return row;
  }

  async function readBound(names: readonly string[]): Promise<Map<string, SecretValue>> {
    const rows = names.length === 0 ? [] : await SecretModel.query(knex).findByIds([...new Set(names)]);
    return new Map(
      rows.map((row) => [row.name, { value: cipher.unseal(row, `secret:${row.name}`), hosts: row.hosts }]),
    );
  }

  return {
    put: async (who, name, input, revision) =>
      await putSecret({ knex, cipher, audit }, who, name, input, revision),
    get: async (name) => presentSecret(await get(name)),
    async delete(who, name) {
      const before = presentSecret(await get(name));
      await knex.transaction(async (trx) => {
        if ((await SecretModel.query(trx).deleteById(name)) === 0) throw notFound("Secret");
        await audit.record(trx, {
          ...who,
          action: "secret.delete",
          entityType: "secret",
          entityId: name,
          before,
        });
      });
    },
    list: async (page) => await listSecrets(knex, page),
    readBound,
    async readValues(names) {
      return Object.fromEntries([...(await readBound(names))].map(([name, { value }]) => [name, value]));
    },
    async existing(names, db = knex) {
      if (names.length === 0) return new Set();
      const rows = await SecretModel.query(db)
        .select("name")
        .whereIn("name", [...new Set(names)]);
      return new Set(rows.map((row) => row.name));
    },
  };
}

async function putSecret(
  deps: { readonly knex: Knex; readonly cipher: Cipher; readonly audit: AuditLog },
  who: By,
  name: string,
  input: PutSecret,
  revision: number | undefined,
): Promise<{ secret: Secret; isNew: boolean }> {
  if (!SECRET_NAME_PATTERN.test(name)) {
    const message = "must be capitals, digits and _, 63 at most, and start with no digit";
    throw invalidFields([{ path: "/name", message }]);
  }
  if (Buffer.byteLength(input.value) > MAX_SECRET_BYTES) {
    throw new AppError("BODY_TOO_LARGE", `A secret may have ${MAX_SECRET_BYTES} bytes at most`);
  }
  const sealed = deps.cipher.seal(input.value, `secret:${name}`);
  const fields = {
    description: input.description ?? null,
    hosts: input.hosts ? JSON.stringify(input.hosts) : null,
    ...sealed,
  };
  return await deps.knex.transaction(async (trx) => {
    const before = await SecretModel.query(trx).findById(name).forUpdate();
    if (revision !== undefined && before?.revision !== revision) {
      throw new AppError("REVISION_STALE", `Secret is not at revision ${revision}`);
    }
    // two first writes at once: the second becomes a replacement
    const { rows } = await trx.raw<{ rows: object[] }>(
      `INSERT INTO secrets (name, description, hosts, key_id, ciphertext, created_by)
       VALUES (:name, :description, :hosts::jsonb, :keyId, :ciphertext, :createdBy)
       ON CONFLICT (name) DO UPDATE SET description = excluded.description, hosts = excluded.hosts,
         key_id = excluded.key_id, ciphertext = excluded.ciphertext, revision = secrets.revision + 1, updated_at = now()
       RETURNING *`,
      { name, ...fields, createdBy: who.actor.userId },
    );
    const row = SecretModel.fromDatabaseJson(rows[0] ?? {});
    const secret = presentSecret(row);
    await deps.audit.record(trx, {
      ...who,
      action: before ? "secret.update" : "secret.create",
      entityType: "secret",
      entityId: name,
      before: before && presentSecret(before),
      after: secret,
    });
    return { secret, isNew: secret.revision === 1 };
  });
}

async function listSecrets(knex: Knex, page: PageRequest): Promise<Page<Secret>> {
  const query = SecretModel.query(knex)
    .select(
      "secrets.*",
      SecretModel.raw("(extract(epoch FROM created_at) * 1000000)::bigint").as("created_micros"),
    )
    .orderBy([
      { column: "created_at", order: "desc" },
      { column: "name", order: "desc" },
    ])
    .limit(page.limit + 1);
  if (page.cursor !== undefined) {
    const { micros, name } = parseSecretCursor(page.cursor);
    void query.whereRaw("((extract(epoch FROM created_at) * 1000000)::bigint, name) < (?::bigint, ?)", [
      micros,
      name,
    ]);
  }
  const rows = (await query) as (SecretModel & { createdMicros: number })[];
  const items = rows.slice(0, page.limit);
  const last = items.at(-1);
  const hasMore = rows.length > page.limit && last !== undefined;
  const nextCursor = hasMore ? Buffer.from(`${last.createdMicros} ${last.name}`).toString("base64url") : null;
  return { items: items.map(presentSecret), nextCursor };
}

function parseSecretCursor(cursor: string): { micros: string; name: string } {
  const text = Buffer.from(cursor, "base64url").toString("utf8");
  const [micros = "", name = "", ...rest] = text.split(" ");
  const isOurs = Buffer.from(text).toString("base64url") === cursor && rest.length === 0;
  if (!isOurs || !/^[0-9]{1,17}$/.test(micros) || !SECRET_NAME_PATTERN.test(name)) {
    throw invalidFields([{ path: "/cursor", message: "is not a cursor of this list" }]);
  }
  return { micros, name };
}

function presentSecret(row: SecretModel): Secret {
  return {
    name: row.name,
    description: row.description,
    hosts: row.hosts,
    revision: row.revision,
    createdBy: row.createdBy,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}
