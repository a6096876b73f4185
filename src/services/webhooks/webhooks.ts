import type { Knex } from "knex";
import type { Keys } from "../../config/load-keys.js";
import type {
  ChangedWebhook,
  CreateWebhook,
  ListWebhooks,
  OpenedWebhook,
  UpdateWebhook,
  Webhook,
  WebhookDelivery,
} from "../../contracts/api/webhooks.js";
import type { By } from "../../core/actor.js";
import { newId } from "../../core/ids.js";
import { notFound } from "../../errors/app-error.js";
import { createRepository, type Db, type Page, type PageRequest } from "../../models/repository.js";
import { WebhookDeliveryModel } from "../../models/webhook-delivery-model.js";
import { WebhookModel } from "../../models/webhook-model.js";
import type { AuditLog } from "../audit/audit-log.js";
import { hashRandomToken, makeRandomToken } from "../auth/random-tokens.js";
import { orNameTaken } from "../name-taken.js";
import { ofWorkflow } from "../of-workflow.js";
import type { SafeEvaluator } from "../evaluation-types.js";
import { type Cipher, createCipher } from "../secrets/cipher.js";
import { checkWebhook } from "./check-webhook.js";
import { presentDelivery, presentWebhook, presentWebhooks } from "./present-webhook.js";
import { sealSecret } from "./webhook-secrets.js";

/** Webhooks: what `POST /hooks/{token}` starts. Every change stands or falls with its audit entry. */
export interface Webhooks {
  /** Newest first; none for an unknown workflow. */
  list(filter: ListWebhooks): Promise<Page<Webhook>>;
  /** @throws AppError NOT_FOUND */
  get(id: string): Promise<Webhook>;
  /** The answer holds the token, and a generated secret: neither is shown again. @throws AppError INVALID_FIELDS, CONFLICT */
  create(body: CreateWebhook, by: By): Promise<OpenedWebhook>;
  /** @throws AppError NOT_FOUND, INVALID_FIELDS, CONFLICT; REVISION_STALE when `revision` is not the stored one. */
  update(id: string, body: UpdateWebhook, revision: number | undefined, by: By): Promise<ChangedWebhook>;
  /** A new token; the old one is unknown from then on. @throws AppError NOT_FOUND */
  rotate(id: string, by: By): Promise<OpenedWebhook>;
  /** Its runs stay. @throws AppError NOT_FOUND */
  remove(id: string, by: By): Promise<void>;
  /** The newest deliveries and what became of them. @throws AppError NOT_FOUND */
  listDeliveries(id: string, page: PageRequest): Promise<Page<WebhookDelivery>>;
}

/** The dependencies of the service. */
export interface WebhooksDeps {
  readonly knex: Knex;
  readonly keys: Pick<Keys, "encryption">;
  readonly audit: AuditLog;
  readonly evaluator: SafeEvaluator;
}

type Deps = WebhooksDeps & { readonly cipher: Cipher };

const webhooks = createRepository<WebhookModel>(WebhookModel, "Webhook");
const deliveries = createRepository<WebhookDeliveryModel>(WebhookDeliveryModel, "Delivery");

/** Makes the service. */
export function createWebhooks(given: WebhooksDeps): Webhooks {
  const deps: Deps = { ...given, cipher: createCipher(given.keys) };
  const { knex } = deps;
  return {
    async list({ workflow, ...page }) {
      const found = await webhooks.listPage(knex, page, (query) => ofWorkflow(query, workflow));
      return { ...found, items: await presentWebhooks(knex, found.items) };
    },
    get: async (id) => await present(knex, await webhooks.get(knex, id)),
    create: async (body, by) => await createWebhook(deps, body, by),
    update: async (id, body, revision, by) => await updateWebhook(deps, id, body, revision, by),
    rotate: async (id, by) => await rotateToken(deps, id, by),
    remove: async (id, by) => await removeWebhook(deps, id, by),
    async listDeliveries(id, page) {
      const { id: webhookId } = await webhooks.get(knex, id);
      const found = await deliveries.listPage(knex, page, (query) => {
        void query.where("webhook_id", webhookId);
      });
      return { ...found, items: found.items.map(presentDelivery) };
    },
  };
}

async function createWebhook(deps: Deps, body: CreateWebhook, by: By): Promise<OpenedWebhook> {
  const workflow = await checkWebhook(deps, body);
  const id = newId();
  const token = makeRandomToken("hrw_");
  const sealed = sealSecret(deps.cipher, id, body);
  const { name, version, enabled, filter, input, mode, waitSeconds } = body;
  return await deps.knex.transaction(async (trx) => {
    const row = await orNameTaken(
      webhooks.insert(trx, {
        id,
        name,
        tokenHash: hashRandomToken(token),
        workflowId: workflow?.id ?? null,
        version: version ?? null,
        enabled,
        ...sealed?.columns,
        filter: filter ?? null,
        input: input ?? null,
        mode,
        waitSeconds,
        createdBy: by.actor.userId,
      }),
      "a webhook",
      name,
    );
    const made = presentWebhook(row, workflow?.name ?? null);
    await deps.audit.record(trx, { ...entryOf("webhook.create", id, by), after: made });
    return { ...made, ...opened(token), ...shown(sealed?.generated) };
  });
}

async function updateWebhook(
  deps: Deps,
  id: string,
  body: UpdateWebhook,
  revision: number | undefined,
  by: By,
): Promise<ChangedWebhook> {
  const found = await webhooks.get(deps.knex, id);
  const { workflow: wanted, secret, generateSecret, ...rest } = body;
  const isTargetChanged = wanted !== undefined || rest.version != null;
  const workflow = await checkWebhook(deps, {
    workflow: isTargetChanged ? (wanted ?? found.workflowId) : undefined,
    version: rest.version === undefined ? found.version : rest.version,
    filter: rest.filter,
    input: rest.input,
  });
  const sealed = sealSecret(deps.cipher, id, { secret, generateSecret });
  return await deps.knex.transaction(async (trx) => {
    const before = await webhooks.lock(trx, id, revision);
    const patch = { ...rest, ...sealed?.columns, ...(workflow ? { workflowId: workflow.id } : {}) };
    const after = await orNameTaken(webhooks.update(trx, id, patch), "a webhook", rest.name ?? before.name);
    const [was, is] = await presentWebhooks(trx, [before, after]);
    if (!was || !is) throw notFound("Webhook");
    await deps.audit.record(trx, {
      ...entryOf("webhook.update", id, by),
      before: was,
      after: { ...is, isSecretReplaced: sealed !== undefined },
    });
    return { ...is, ...shown(sealed?.generated) };
  });
}

async function rotateToken(deps: Deps, id: string, by: By): Promise<OpenedWebhook> {
  const token = makeRandomToken("hrw_");
  return await deps.knex.transaction(async (trx) => {
    const row = await webhooks.update(trx, id, { tokenHash: hashRandomToken(token) });
    const webhook = await present(trx, row);
    const entry = entryOf("webhook.rotate", id, by);
    await deps.audit.record(trx, { ...entry, after: { revision: webhook.revision } });
    return { ...webhook, ...opened(token) };
  });
}

async function removeWebhook(deps: Deps, id: string, by: By): Promise<void> {
  const before = await present(deps.knex, await webhooks.get(deps.knex, id));
  await deps.knex.transaction(async (trx) => {
    if (!(await webhooks.delete(trx, id))) throw notFound("Webhook");
    await deps.audit.record(trx, { ...entryOf("webhook.delete", id, by), before });
  });
}

async function present(db: Db, row: WebhookModel): Promise<Webhook> {
  const [webhook] = await presentWebhooks(db, [row]);
  if (!webhook) throw notFound("Webhook");
  return webhook;
}

function opened(token: string) {
  return { token, url: `/hooks/${token}` };
}

function shown(generated: string | undefined) {
  return generated === undefined ? {} : { secret: generated };
}

function entryOf(action: string, id: string, { actor, origin }: By) {
  return { actor, origin, action, entityType: "webhook", entityId: id };
}
