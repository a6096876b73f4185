import type { Knex } from "knex";
import type { ApiKey, CreateApiKey, CreatedApiKey } from "../../contracts/api/api-keys.js";
import type { Actor, RequestOrigin } from "../../core/actor.js";
import { newId } from "../../core/ids.js";
import { AppError, invalidFields, notFound } from "../../errors/app-error.js";
import { ApiKeyModel } from "../../models/api-key-model.js";
import { createRepository, type Page, type PageRequest } from "../../models/repository.js";
import { canRole, type Permission, type Role } from "../../core/permissions.js";
import { assertMayGrant, canActor } from "../access/assert-can.js";
import type { AuditLog } from "../audit/audit-log.js";
import type { Principals } from "./principals.js";
import { hashRandomToken, makeRandomToken } from "./random-tokens.js";

/** API keys: one's own, or anybody's with `api-key:any`. Others' keys are as good as absent. */
export interface ApiKeys {
  list(actor: Actor, page: PageRequest): Promise<Page<ApiKey>>;
  /** @throws AppError NOT_FOUND */
  get(actor: Actor, id: string): Promise<ApiKey>;
  /** The answer holds the key: it is not kept. @throws AppError FORBIDDEN, INVALID_FIELDS */
  create(actor: Actor, origin: RequestOrigin, input: CreateApiKey): Promise<CreatedApiKey>;
  /** Revokes a key at once. @throws AppError NOT_FOUND */
  revoke(actor: Actor, origin: RequestOrigin, id: string): Promise<void>;
}

const repository = createRepository<ApiKeyModel>(ApiKeyModel, "API key");
const PREFIX_CHARS = 10;

/** Makes the service. */
export function createApiKeys(deps: {
  readonly knex: Knex;
  readonly audit: AuditLog;
  readonly principals: Principals;
}): ApiKeys {
  const { knex, audit, principals } = deps;

  async function getVisible(actor: Actor, id: string): Promise<ApiKeyModel> {
    const row = await repository.find(knex, id);
    const isVisible =
      row && row.revokedAt === null && (row.userId === actor.userId || canActor(actor, "api-key:any"));
    if (!isVisible) throw notFound("API key");
    return row;
  }

  return {
    async list(actor, page) {
      const rows = await repository.listPage(knex, page, (query) => {
        void query.whereNull("revoked_at");
        if (!canActor(actor, "api-key:any")) void query.where("user_id", actor.userId);
      });
      return { items: rows.items.map(presentApiKey), nextCursor: rows.nextCursor };
    },
    get: async (actor, id) => presentApiKey(await getVisible(actor, id)),
    create: async (actor, origin, input) => await createApiKey({ knex, audit }, actor, origin, input),
    async revoke(actor, origin, id) {
      const before = await getVisible(actor, id);
      await knex.transaction(async (trx) => {
        await ApiKeyModel.query(trx).patch({ revokedAt: new Date() }).where("id", id);
        await audit.record(trx, {
          actor,
          origin,
          action: "api-key.delete",
          entityType: "api_key",
          entityId: id,
          before: presentApiKey(before),
        });
      });
      principals.forget();
    },
  };
}

async function createApiKey(
  deps: { readonly knex: Knex; readonly audit: AuditLog },
  actor: Actor,
  origin: RequestOrigin,
  input: CreateApiKey,
): Promise<CreatedApiKey> {
  const { userId } = actor;
  if (userId === null) throw new AppError("FORBIDDEN", "Only people have API keys");
  const role = input.role ?? actor.role;
  assertMayGrant(actor, role);
  const scopes = limitScopes(actor, role, input.scopes);
  const expiresAt = await limitExpiry(deps.knex, actor, input.expiresAt);
  const key = makeRandomToken("hr_");
  return await deps.knex.transaction(async (trx) => {
    const row = await repository.insert(trx, {
      id: newId(),
      userId,
      name: input.name,
      prefix: key.slice(0, PREFIX_CHARS),
      keyHash: hashRandomToken(key),
      role,
      scopes,
      expiresAt,
    });
    const made = presentApiKey(row);
    const entry = { action: "api-key.create", entityType: "api_key", entityId: row.id, after: made };
    await deps.audit.record(trx, { actor, origin, ...entry });
    return { ...made, key };
  });
}

/**
 * A key may be narrowed to what its role has, and a key that is made with a narrowed one is no wider.
 * @throws AppError INVALID_FIELDS, FORBIDDEN
 */
function limitScopes(
  actor: Actor,
  role: Role,
  asked: readonly Permission[] | undefined,
): Permission[] | null {
  const wanted = asked ?? actor.scopes?.filter((scope) => canRole(role, scope));
  if (wanted === undefined) return null;
  const lacking = wanted.flatMap((scope, index) =>
    canRole(role, scope)
      ? []
      : [{ path: `/scopes/${index}`, message: `is beyond what the role ${role} may do` }],
  );
  if (lacking.length > 0) throw invalidFields(lacking);
  const beyond = wanted.find((scope) => !canActor(actor, scope));
  if (beyond !== undefined) throw new AppError("FORBIDDEN", `You may not grant the permission ${beyond}`);
  return [...wanted];
}

/** A key that is made with a key does not outlive it. */
async function limitExpiry(knex: Knex, actor: Actor, asked: string | undefined): Promise<Date | null> {
  if (asked !== undefined && Date.parse(asked) <= Date.now()) {
    throw invalidFields([{ path: "/expiresAt", message: "must lie in the future" }]);
  }
  const maker = actor.apiKeyId === undefined ? undefined : await repository.find(knex, actor.apiKeyId);
  const limits = [asked === undefined ? undefined : new Date(asked), maker?.expiresAt].filter(
    (at) => at != null,
  );
  return limits.length === 0 ? null : new Date(Math.min(...limits.map((at) => at.getTime())));
}

function presentApiKey(row: ApiKeyModel): ApiKey {
  return {
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    role: row.role,
    scopes: row.scopes,
    userId: row.userId,
    expiresAt: row.expiresAt?.toISOString() ?? null,
    lastUsedAt: row.lastUsedAt?.toISOString() ?? null,
    revokedAt: row.revokedAt?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
  };
}
