import type { Knex } from "knex";
import type { Keys } from "../../config/load-keys.js";
import {
  BUILT_IN_PROVIDER,
  type CreateLlmProvider,
  type LlmProvider,
  PROVIDER_NAME_PATTERN,
  type UpdateLlmProvider,
} from "../../contracts/api/llm-providers.js";
import type { Actor, RequestOrigin } from "../../core/actor.js";
import { newId } from "../../core/ids.js";
import { AppError, conflict, invalidFields, notFound } from "../../errors/app-error.js";
import { LlmProviderModel } from "../../models/llm-provider-model.js";
import { createRepository, type Db, type Page, type PageRequest, toCursor } from "../../models/repository.js";
import { createOutgoingGuard, type OutgoingGuard } from "../../outgoing/outgoing-guard.js";
import type { AuditLog } from "../audit/audit-log.js";
import { isUniqueViolation } from "../database-conflicts.js";
import { type Cipher, createCipher } from "../secrets/cipher.js";
import { type BuiltInSettings, presentBuiltIn } from "./built-in-provider.js";
import { sealKey } from "./provider-key.js";

/** Who asks, and from where, for the audit log. */
export interface By {
  readonly actor: Actor;
  readonly origin: RequestOrigin;
}

/** Servers that answer LLM prompts, by name. Every change stands or falls with its audit entry. */
export interface LlmProviders {
  /** Newest first; the one that the settings make comes last. */
  list(page: PageRequest): Promise<Page<LlmProvider>>;
  /** @throws AppError NOT_FOUND */
  get(name: string): Promise<LlmProvider>;
  /** @throws AppError INVALID_FIELDS; CONFLICT when the name is taken. */
  create(body: CreateLlmProvider, by: By): Promise<LlmProvider>;
  /**
   * @throws AppError NOT_FOUND; INVALID_FIELDS, also for a new `baseUrl` without the key again; CONFLICT for the
   * built-in one; REVISION_STALE when `revision` is not the stored one.
   */
  update(name: string, body: UpdateLlmProvider, revision: number | undefined, by: By): Promise<LlmProvider>;
  /** Prompts that name it fail from then on. @throws AppError NOT_FOUND; CONFLICT for the built-in one. */
  remove(name: string, by: By): Promise<void>;
}

/** The dependencies of the service. */
export interface LlmProvidersDeps {
  readonly knex: Knex;
  readonly keys: Pick<Keys, "encryption">;
  readonly audit: AuditLog;
  readonly settings: BuiltInSettings & { readonly ALLOWED_HOSTS_PRIVATE?: readonly string[] };
}

type Deps = LlmProvidersDeps & { readonly cipher: Cipher; readonly guard: OutgoingGuard };

const providers = createRepository<LlmProviderModel>(LlmProviderModel, "LLM provider");

/** Makes the service. */
export function createLlmProviders(given: LlmProvidersDeps): LlmProviders {
  const guard = createOutgoingGuard({ allowedPrivateHosts: given.settings.ALLOWED_HOSTS_PRIVATE ?? [] });
  const deps: Deps = { ...given, cipher: createCipher(given.keys), guard };
  return {
    list: async (page) => await listProviders(deps, page),
    async get(name) {
      const row = await findRow(deps.knex, name);
      const found = row ? present(row) : await findBuiltIn(deps, name);
      if (!found) throw notFound("LLM provider");
      return found;
    },
    create: async (body, by) => await createProvider(deps, body, by),
    update: async (name, body, revision, by) => await updateProvider(deps, name, body, revision, by),
    remove: async (name, by) => await removeProvider(deps, name, by),
  };
}

async function listProviders(deps: Deps, page: PageRequest): Promise<Page<LlmProvider>> {
  const found = await providers.listPage(deps.knex, page);
  const items = found.items.map(present);
  const builtIn = found.nextCursor === null ? await findBuiltIn(deps, BUILT_IN_PROVIDER) : undefined;
  if (!builtIn) return { ...found, items };
  const last = found.items.at(-1);
  // a full page leaves it to a page of its own
  if (last && items.length >= page.limit) return { items, nextCursor: toCursor(last.id) };
  return { items: [...items, builtIn], nextCursor: null };
}

/** The provider that the settings make, unless a stored one of its name has taken its place. */
async function findBuiltIn({ knex, settings }: Deps, name: string): Promise<LlmProvider | undefined> {
  if (name !== BUILT_IN_PROVIDER || (await findRow(knex, name))) return undefined;
  const stored = await LlmProviderModel.query(knex).where("is_default", true).first();
  return presentBuiltIn(settings, stored === undefined);
}

async function findRow(db: Db, name: string): Promise<LlmProviderModel | undefined> {
  if (!PROVIDER_NAME_PATTERN.test(name)) return undefined;
  return await LlmProviderModel.query(db).where("name", name).first();
}

async function createProvider(deps: Deps, body: CreateLlmProvider, by: By): Promise<LlmProvider> {
  assertBaseUrl(deps.guard, body.baseUrl);
  const { apiKey, ...fields } = body;
  const id = newId();
  return await deps.knex.transaction(async (trx) => {
    if (body.isDefault) await endDefault(deps, trx, id, by);
    const row = await orNameTaken(
      providers.insert(trx, {
        id,
        ...fields,
        ...sealKey(deps.cipher, id, apiKey),
        createdBy: by.actor.userId,
      }),
      body.name,
    );
    const after = present(row);
    await deps.audit.record(trx, { ...entryOf("llm_provider.create", row, by), after });
    return after;
  });
}

async function updateProvider(
  deps: Deps,
  name: string,
  body: UpdateLlmProvider,
  revision: number | undefined,
  by: By,
): Promise<LlmProvider> {
  if (body.baseUrl !== undefined) assertBaseUrl(deps.guard, body.baseUrl);
  const { apiKey, ...fields } = body;
  return await deps.knex.transaction(async (trx) => {
    const before = await lockProvider(deps, trx, name);
    if (revision !== undefined && revision !== before.revision) {
      throw new AppError(
        "REVISION_STALE",
        `The LLM provider is at revision ${before.revision}, not ${revision}`,
      );
    }
    assertKeyStays(before, body);
    if (body.isDefault) await endDefault(deps, trx, before.id, by);
    const sealed = sealKey(deps.cipher, before.id, apiKey);
    const row = await providers.update(trx, before.id, { ...fields, ...sealed });
    const after = present(row);
    await deps.audit.record(trx, {
      ...entryOf("llm_provider.update", row, by),
      before: present(before),
      after: { ...after, isKeyReplaced: sealed !== undefined },
    });
    return after;
  });
}

async function removeProvider(deps: Deps, name: string, by: By): Promise<void> {
  await deps.knex.transaction(async (trx) => {
    const before = await lockProvider(deps, trx, name);
    await providers.delete(trx, before.id);
    await deps.audit.record(trx, { ...entryOf("llm_provider.delete", before, by), before: present(before) });
  });
}

/** The row, locked until the transaction ends. */
async function lockProvider(deps: Deps, trx: Db, name: string): Promise<LlmProviderModel> {
  const row = PROVIDER_NAME_PATTERN.test(name)
    ? await LlmProviderModel.query(trx).where("name", name).forUpdate().first()
    : undefined;
  if (row) return row;
  if (!(await findBuiltIn(deps, name))) throw notFound("LLM provider");
  throw conflict(
    `"${name}" is made by the settings OPENAI_API_KEY and OPENAI_BASE_URL: change them there, or create one of that name`,
  );
}

/** A stored key is never sent to another server than the one that it was given for. */
function assertKeyStays(before: LlmProviderModel, { baseUrl, apiKey }: UpdateLlmProvider): void {
  if (baseUrl === undefined || baseUrl === before.baseUrl || before.ciphertext === null) return;
  if (apiKey !== undefined) return;
  throw invalidFields([{ path: "/apiKey", message: "must be sent again when baseUrl changes" }]);
}

function assertBaseUrl(guard: OutgoingGuard, baseUrl: string): void {
  const fault = guard.findUrlFault(baseUrl) ?? findExtras(new URL(baseUrl));
  if (fault !== undefined) throw invalidFields([{ path: "/baseUrl", message: fault }]);
}

function findExtras({ search, hash }: URL): string | undefined {
  return search === "" && hash === "" ? undefined : "must not have a query or a fragment";
}

/** There is one default: the present one ceases to be. Two changes at once: the unique index decides. */
async function endDefault({ audit }: Deps, trx: Db, nextId: string, by: By): Promise<void> {
  const row = await LlmProviderModel.query(trx)
    .where("is_default", true)
    .whereNot("id", nextId)
    .forUpdate()
    .first();
  if (!row) return;
  const after = await providers.update(trx, row.id, { isDefault: false });
  await audit.record(trx, {
    ...entryOf("llm_provider.update", row, by),
    before: present(row),
    after: present(after),
  });
}

async function orNameTaken<T>(change: Promise<T>, name: string): Promise<T> {
  try {
    return await change;
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw conflict(`There is an LLM provider called "${name}"`, [{ path: "/name", message: "is taken" }]);
  }
}

function present(row: LlmProviderModel): LlmProvider {
  const { name, description, baseUrl, models, isDefault, revision, createdBy } = row;
  return {
    name,
    description,
    baseUrl,
    hasKey: row.ciphertext !== null,
    models,
    isDefault,
    isBuiltIn: false,
    revision,
    createdBy,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

function entryOf(action: string, { name }: LlmProviderModel, { actor, origin }: By) {
  return { actor, origin, action, entityType: "llm_provider", entityId: name };
}
