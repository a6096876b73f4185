import type { Knex } from "knex";
import type { Keys } from "../../config/load-keys.js";
import type {
  CreateLlmProvider,
  LlmProvider,
  LlmProviderTest,
  UpdateLlmProvider,
} from "../../contracts/api/llm-providers.js";
import type { By } from "../../core/actor.js";
import { newId } from "../../core/ids.js";
import { type FieldFault, invalidFields, notFound } from "../../errors/app-error.js";
import { headersField } from "../../executors/header-fields.js";
import type { ProviderProbe } from "../../executors/llm/provider-probe.js";
import { LlmProviderModel } from "../../models/llm-provider-model.js";
import { createRepository, type Db, type Page, type PageRequest } from "../../models/repository.js";
import type { OutgoingGuard } from "../../outgoing/outgoing-guard.js";
import type { AuditLog } from "../audit/audit-log.js";
import { orNameTaken } from "../name-taken.js";
import { type Cipher, createCipher } from "../secrets/cipher.js";
import { openCredentials, type ProviderCredentials, sealCredentials } from "./provider-credentials.js";

/** Providers of language models. Every change stands or falls with its audit entry; no answer holds a key. */
export interface LlmProviders {
  list(page: PageRequest): Promise<Page<LlmProvider>>;
  /** @throws AppError NOT_FOUND */
  get(id: string): Promise<LlmProvider>;
  /** @throws AppError INVALID_FIELDS, CONFLICT */
  create(body: CreateLlmProvider, by: By): Promise<LlmProvider>;
  /**
   * A new base URL demands the key and the headers again: stored ones cannot be sent to another server.
   * @throws AppError NOT_FOUND, INVALID_FIELDS, CONFLICT; REVISION_STALE when `revision` is not the stored one.
   */
  update(id: string, body: UpdateLlmProvider, revision: number | undefined, by: By): Promise<LlmProvider>;
  /** Prompts that name it fail from then on. @throws AppError NOT_FOUND */
  remove(id: string, by: By): Promise<void>;
  /** Asks the provider for its models. @throws AppError NOT_FOUND */
  test(id: string, by: By, signal: AbortSignal): Promise<LlmProviderTest>;
}

/** The dependencies of the service. */
export interface LlmProvidersDeps {
  readonly knex: Knex;
  readonly keys: Pick<Keys, "encryption">;
  readonly audit: AuditLog;
  readonly guard: Pick<OutgoingGuard, "findUrlFault">;
  readonly probe: ProviderProbe;
}

type Deps = LlmProvidersDeps & { readonly cipher: Cipher };

const providers = createRepository<LlmProviderModel>(LlmProviderModel, "LLM provider");

/** Makes the service. */
export function createLlmProviders(given: LlmProvidersDeps): LlmProviders {
  const deps: Deps = { ...given, cipher: createCipher(given.keys) };
  const { knex } = deps;
  return {
    async list(page) {
      const found = await providers.listPage(knex, page);
      return { ...found, items: found.items.map(presentProvider) };
    },
    get: async (id) => presentProvider(await providers.get(knex, id)),
    create: async (body, by) => await createProvider(deps, body, by),
    update: async (id, body, revision, by) => await updateProvider(deps, id, body, revision, by),
    async remove(id, by) {
      const before = presentProvider(await providers.get(knex, id));
      await knex.transaction(async (trx) => {
        if (!(await providers.delete(trx, id))) throw notFound("LLM provider");
        await deps.audit.record(trx, { ...entryOf("llm_provider.delete", id, by), before });
      });
    },
    async test(id, by, signal) {
      const row = await providers.get(knex, id);
      const { apiKey, headers } = openCredentials(deps.cipher, row);
      const { name, baseUrl, models } = row;
      const result = await deps.probe.test({ name, baseUrl, apiKey, headers, models }, signal);
      const { ok } = result;
      await deps.audit.record(knex, { ...entryOf("llm_provider.test", id, by), after: { name, ok } });
      return result;
    },
  };
}

async function createProvider(deps: Deps, body: CreateLlmProvider, by: By): Promise<LlmProvider> {
  const { name, models, isDefault, headers = {}, apiKey } = body;
  const faults = [...findUrlFaults(deps, body.baseUrl), ...findHeaderFaults(headers)];
  if (faults.length > 0) throw invalidFields(faults);
  const id = newId();
  const sealed = sealCredentials(deps.cipher, id, { ...(apiKey != null && { apiKey }), headers });
  const baseUrl = toBaseUrl(body.baseUrl);
  const { userId: createdBy } = by.actor;
  return await deps.knex.transaction(async (trx) => {
    if (isDefault) await endDefault(trx);
    const fields = { id, name, baseUrl, models, isDefault, createdBy, ...sealed };
    const made = presentProvider(await orNameTaken(providers.insert(trx, fields), "an LLM provider", name));
    await deps.audit.record(trx, { ...entryOf("llm_provider.create", id, by), after: made });
    return made;
  });
}

async function updateProvider(
  deps: Deps,
  id: string,
  body: UpdateLlmProvider,
  revision: number | undefined,
  by: By,
): Promise<LlmProvider> {
  await providers.get(deps.knex, id);
  const faults = [...findUrlFaults(deps, body.baseUrl), ...findHeaderFaults(body.headers ?? {})];
  if (faults.length > 0) throw invalidFields(faults);
  return await deps.knex.transaction(async (trx) => {
    const before = await providers.lock(trx, id, revision);
    const { apiKey, headers, baseUrl: wantedUrl, ...rest } = body;
    const baseUrl = wantedUrl === undefined ? before.baseUrl : toBaseUrl(wantedUrl);
    if (baseUrl !== before.baseUrl) assertGivenAgain(before, body);
    const isReplaced = apiKey !== undefined || headers !== undefined;
    const sealed = isReplaced
      ? sealCredentials(deps.cipher, id, mergeCredentials(openCredentials(deps.cipher, before), body))
      : {};
    if (rest.isDefault === true) await endDefault(trx, id);
    const change = providers.update(trx, id, { ...rest, baseUrl, ...sealed });
    const after = presentProvider(await orNameTaken(change, "an LLM provider", rest.name ?? before.name));
    await deps.audit.record(trx, {
      ...entryOf("llm_provider.update", id, by),
      before: presentProvider(before),
      after: { ...after, areCredentialsReplaced: isReplaced },
    });
    return after;
  });
}

/** Null takes the key away; headers are replaced as a whole. */
function mergeCredentials(
  stored: ProviderCredentials,
  { apiKey, headers }: Pick<UpdateLlmProvider, "apiKey" | "headers">,
): ProviderCredentials {
  const key = apiKey === undefined ? stored.apiKey : (apiKey ?? undefined);
  return { ...(key === undefined ? {} : { apiKey: key }), headers: headers ?? stored.headers };
}

/** A key belongs to the server that it was given for (CVE-2024-6587 at a peer). */
function assertGivenAgain(before: LlmProviderModel, body: UpdateLlmProvider): void {
  const message = "must be given again with a new baseUrl";
  const faults: FieldFault[] = [];
  if (before.hasApiKey && body.apiKey === undefined) faults.push({ path: "/apiKey", message });
  if (before.headerNames.length > 0 && body.headers === undefined) faults.push({ path: "/headers", message });
  if (faults.length > 0) throw invalidFields(faults);
}

/** Two default providers there cannot be: the one before gives way. */
async function endDefault(trx: Db, exceptId?: string): Promise<void> {
  const query = LlmProviderModel.query(trx)
    .patch({ isDefault: false, revision: LlmProviderModel.raw("revision + 1") } as object)
    .where("is_default", true);
  if (exceptId !== undefined) void query.whereNot("id", exceptId);
  await query;
}

function findUrlFaults({ guard }: Deps, baseUrl: string | undefined): FieldFault[] {
  if (baseUrl === undefined) return [];
  const fault = guard.findUrlFault(baseUrl);
  if (fault !== undefined) return [{ path: "/baseUrl", message: fault }];
  const { search, hash } = new URL(baseUrl);
  return search === "" && hash === ""
    ? []
    : [{ path: "/baseUrl", message: "must have no query and no fragment" }];
}

function findHeaderFaults(headers: Readonly<Record<string, string>>): FieldFault[] {
  const result = headersField.safeParse(headers);
  if (result.success) return [];
  return result.error.issues.map(({ path, message }) => ({
    path: ["", "headers", ...path.map(String)].join("/"),
    message,
  }));
}

function toBaseUrl(text: string): string {
  return new URL(text).href.replace(/\/+$/, "");
}

function presentProvider(row: LlmProviderModel): LlmProvider {
  return {
    id: row.id,
    name: row.name,
    baseUrl: row.baseUrl,
    hasApiKey: row.hasApiKey,
    headerNames: row.headerNames,
    models: row.models,
    isDefault: row.isDefault,
    revision: row.revision,
    createdBy: row.createdBy,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

function entryOf(action: string, id: string, { actor, origin }: By) {
  return { actor, origin, action, entityType: "llm_provider", entityId: id };
}
