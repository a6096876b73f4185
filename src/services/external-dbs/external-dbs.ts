import type { Knex } from "knex";
import type { Keys } from "../../config/load-keys.js";
import { ConnectorError, type QueryResult } from "../../connectors/types.js";
import type {
  CreateExternalDb,
  ExternalDb,
  ExternalDbTest,
  QueryExternalDb,
  ScannedSchema,
  UpdateExternalDb,
} from "../../contracts/api/external-db-configs.js";
import type { By } from "../../core/actor.js";
import { isUuid, newId } from "../../core/ids.js";
import { AppError, conflict, invalidFields, notFound } from "../../errors/app-error.js";
import { ExternalDbConfigModel } from "../../models/external-db-config-model.js";
import { createRepository, type Db, type Page, type PageRequest } from "../../models/repository.js";
import type { AuditLog } from "../audit/audit-log.js";
import { orNameTaken } from "../name-taken.js";
import { type Cipher, createCipher } from "../secrets/cipher.js";
import { checkExternalDb, demandSecretsAgain } from "./check-external-db.js";
import type { ConnectionManager } from "./connection-manager.js";
import { openDbSecrets, sealDbSecrets } from "./db-secrets.js";
import { findExternalDbUsers } from "./external-db-users.js";
import { presentExternalDb } from "./present-external-db.js";

/** External databases. Every change stands or falls with its audit entry. */
export interface ExternalDbs {
  list(page: PageRequest): Promise<Page<ExternalDb>>;
  /** @throws AppError NOT_FOUND */
  get(nameOrId: string): Promise<ExternalDb>;
  /** @throws AppError INVALID_FIELDS; CONFLICT when the name is taken. */
  create(body: CreateExternalDb, by: By): Promise<ExternalDb>;
  /** @throws AppError NOT_FOUND, INVALID_FIELDS, CONFLICT; REVISION_STALE when `revision` is not the stored one. */
  update(nameOrId: string, body: UpdateExternalDb, revision: number | undefined, by: By): Promise<ExternalDb>;
  /** @throws AppError NOT_FOUND; CONFLICT with those who use it. */
  remove(nameOrId: string, by: By): Promise<void>;
  /** Whether it answers; a fault of the database is an answer too. @throws AppError NOT_FOUND */
  test(nameOrId: string, signal: AbortSignal): Promise<ExternalDbTest>;
  /** @throws AppError NOT_FOUND, INVALID_FIELDS for the statement's faults, UPSTREAM_FAILED for the database's. */
  query(nameOrId: string, body: QueryExternalDb, signal: AbortSignal, by: By): Promise<QueryResult>;
  /** What is in it: the stored scan, or a new one. @throws AppError NOT_FOUND, UPSTREAM_FAILED */
  readSchema(nameOrId: string, refresh: boolean, signal: AbortSignal): Promise<ScannedSchema>;
}

/** The dependencies of the service. */
export interface ExternalDbsDeps {
  readonly knex: Knex;
  readonly keys: Pick<Keys, "encryption">;
  readonly audit: AuditLog;
  readonly connections: ConnectionManager;
}

type Deps = ExternalDbsDeps & { readonly cipher: Cipher };

const repository = createRepository<ExternalDbConfigModel>(ExternalDbConfigModel, "External database");

/** Makes the service. */
export function createExternalDbs(given: ExternalDbsDeps): ExternalDbs {
  const deps: Deps = { ...given, cipher: createCipher(given.keys) };
  const { knex, connections } = deps;
  const get = async (nameOrId: string) => await getRow(knex, nameOrId);
  return {
    async list(page) {
      const found = await repository.listPage(knex, page);
      return { ...found, items: found.items.map(presentExternalDb) };
    },
    get: async (nameOrId) => presentExternalDb(await get(nameOrId)),
    create: async (body, by) => await createOne(deps, body, by),
    update: async (nameOrId, body, revision, by) =>
      await updateOne(deps, await get(nameOrId), body, revision, by),
    remove: async (nameOrId, by) => await removeOne(deps, await get(nameOrId), by),
    test: async (nameOrId, signal) => await testOne(connections, await get(nameOrId), signal),
    query: async (nameOrId, body, signal, by) => await queryOne(deps, await get(nameOrId), body, signal, by),
    readSchema: async (nameOrId, refresh, signal) =>
      await scanOne(deps, await get(nameOrId), refresh, signal),
  };
}

async function getRow(db: Db, nameOrId: string): Promise<ExternalDbConfigModel> {
  const column = isUuid(nameOrId) ? "id" : "name";
  const row = await ExternalDbConfigModel.query(db).findOne(column, nameOrId);
  if (!row) throw notFound("External database");
  return row;
}

async function createOne(deps: Deps, body: CreateExternalDb, by: By): Promise<ExternalDb> {
  const { name, dbType, ...given } = body;
  const { config, secrets } = checkExternalDb(dbType, given, deps.connections.ground);
  const id = newId();
  const sealed = sealDbSecrets(deps.cipher, id, secrets);
  return await deps.knex.transaction(async (trx) => {
    const row = { id, name, dbType, config, ...sealed, createdBy: by.actor.userId };
    const made = presentExternalDb(
      await orNameTaken(repository.insert(trx, row), "an external database", name),
    );
    await deps.audit.record(trx, { ...entryOf("external_db.create", id, by), after: made });
    return made;
  });
}

async function updateOne(
  deps: Deps,
  { id }: ExternalDbConfigModel,
  body: UpdateExternalDb,
  revision: number | undefined,
  by: By,
): Promise<ExternalDb> {
  const { name, ...change } = body;
  return await deps.knex.transaction(async (trx) => {
    const before = await repository.lock(trx, id, revision);
    if (name !== undefined && name !== before.name) await demandUnused(trx, before.name);
    const stored = openDbSecrets(deps.cipher, before);
    demandSecretsAgain(before.dbType, change, before.config, stored);
    const merged = { ...before.config, ...stored, ...withoutUndefined(change) };
    const { config, secrets } = checkExternalDb(before.dbType, merged, deps.connections.ground);
    const patch = {
      ...(name === undefined ? {} : { name }),
      config,
      ...sealDbSecrets(deps.cipher, id, secrets),
      // what is in another database, or seen by another user, is not what was scanned
      scannedSchema: null,
      scannedAt: null,
    };
    const after = await orNameTaken(
      repository.update(trx, id, patch),
      "an external database",
      name ?? before.name,
    );
    const shown = presentExternalDb(after);
    await deps.audit.record(trx, {
      ...entryOf("external_db.update", id, by),
      before: presentExternalDb(before),
      after: {
        ...shown,
        isSecretReplaced: change.password !== undefined || change.credentials !== undefined,
      },
    });
    return shown;
  });
}

async function removeOne(deps: Deps, { id }: ExternalDbConfigModel, by: By): Promise<void> {
  await deps.knex.transaction(async (trx) => {
    const before = await repository.lock(trx, id);
    await demandUnused(trx, before.name);
    await repository.delete(trx, id);
    await deps.audit.record(trx, {
      ...entryOf("external_db.delete", id, by),
      before: presentExternalDb(before),
    });
  });
}

async function testOne(
  connections: ConnectionManager,
  row: ExternalDbConfigModel,
  signal: AbortSignal,
): Promise<ExternalDbTest> {
  const startedAt = performance.now();
  const latency = () => Math.round((performance.now() - startedAt) * 10) / 10;
  try {
    const { serverVersion } = await connections.use(row, async (connector) => await connector.test(signal));
    return { ok: true, latencyMs: latency(), ...(serverVersion === undefined ? {} : { serverVersion }) };
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    return { ok: false, latencyMs: latency(), error: error.message };
  }
}

/** A statement that may change something is in the audit log, whether it was done or not. */
async function queryOne(
  deps: Deps,
  row: ExternalDbConfigModel,
  body: QueryExternalDb,
  signal: AbortSignal,
  by: By,
): Promise<QueryResult> {
  if (!body.readOnly) {
    const after = { name: row.name, sql: body.sql.slice(0, 4_000), readOnly: false };
    await deps.audit.record(deps.knex, { ...entryOf("external_db.query", row.id, by), after });
  }
  return await asAppError(
    deps.connections.use(row, async (connector) => connector.query({ ...body, signal })),
  );
}

async function scanOne(
  deps: Deps,
  row: ExternalDbConfigModel,
  refresh: boolean,
  signal: AbortSignal,
): Promise<ScannedSchema> {
  const { scannedSchema, scannedAt } = row;
  if (!refresh && scannedSchema && scannedAt) return { ...scannedSchema, scannedAt: scannedAt.toISOString() };
  const scanned = await asAppError(
    deps.connections.use(row, async (connector) => connector.scanSchema(signal)),
  );
  const now = new Date();
  // only for the configuration that it was read with
  await ExternalDbConfigModel.query(deps.knex)
    .patch({ scannedSchema: JSON.stringify(scanned) as never, scannedAt: now })
    .where({ id: row.id, revision: row.revision });
  return { ...(scanned as unknown as Omit<ScannedSchema, "scannedAt">), scannedAt: now.toISOString() };
}

async function asAppError<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    if (error.fault === "statement") throw invalidFields([{ path: "/sql", message: error.message }]);
    if (error.fault === "params") throw invalidFields([{ path: "/params", message: error.message }]);
    throw new AppError("UPSTREAM_FAILED", error.message, { cause: error });
  }
}

async function demandUnused(db: Db, name: string): Promise<void> {
  const users = await findExternalDbUsers(db, name);
  if (users.length > 0) throw conflict(`"${name}" is used by ${users.join(", ")}`);
}

function withoutUndefined(change: object): object {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}

function entryOf(action: string, id: string, { actor, origin }: By) {
  return { actor, origin, action, entityType: "external_db_config", entityId: id };
}
