import { createHash } from "node:crypto";
import type { Knex } from "knex";
import type { Keys } from "../../config/load-keys.js";
import { HIDDEN_HEADERS, type HookQuery, type WebhookMode } from "../../contracts/api/webhooks.js";
import { type RequestOrigin, systemActor } from "../../core/actor.js";
import { toCanonicalJson } from "../../core/canonical-json.js";
import type { JsonValue } from "../../core/json.js";
import { AppError, conflict, invalidFields, notFound } from "../../errors/app-error.js";
import { WebhookModel } from "../../models/webhook-model.js";
import type { Logger } from "../../observability/logger.js";
import { hashRandomToken } from "../auth/random-tokens.js";
import type { SafeEvaluator } from "../evaluation-types.js";
import type { RunCommands, StartedRun } from "../runs/run-commands.js";
import { type Cipher, createCipher } from "../secrets/cipher.js";
import {
  type DeliveryKey,
  findFirstRun,
  type LoggedDelivery,
  logDelivery,
  otherBody,
  toReason,
} from "./delivery-log.js";
import { shapeInput } from "./shape-input.js";
import { isSignatureValid } from "./verify-signature.js";
import { openSecret } from "./webhook-secrets.js";

/** One request to `POST /hooks/{token}`. */
export interface Delivery {
  readonly token: string;
  /** The body as it came: what is signed. */
  readonly bytes: Buffer;
  /**
   * The body's value; called once the signature has been found good.
   * @throws AppError UNSUPPORTED_MEDIA_TYPE, MALFORMED_JSON, INVALID_FIELDS
   */
  readonly parseBody: () => Promise<JsonValue>;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly query: HookQuery;
  readonly origin: RequestOrigin;
}

/** What became of a delivery that was not refused. */
export type Receipt =
  | { readonly kind: "filtered" }
  | {
      readonly kind: "run";
      readonly runId: string;
      /** The same delivery has started it before. */
      readonly replayed: boolean;
      readonly mode: WebhookMode;
      readonly waitSeconds: number;
    };

/** Turns deliveries into runs. */
export interface DeliveryReceiver {
  /** @throws AppError NOT_FOUND for an unknown token, and while the webhook is disabled. */
  assertOpen(token: string): Promise<void>;
  /**
   * Starts a run, or finds the one that the same delivery has started within 24 hours. Refusals go to the
   * webhook's log.
   * @throws AppError NOT_FOUND; SIGNATURE_INVALID; UNSUPPORTED_MEDIA_TYPE, MALFORMED_JSON; INVALID_FIELDS when filter
   * or mapping fail, or the input does not fit the workflow's schema; CONFLICT when the workflow has nothing to run.
   */
  receive(delivery: Delivery): Promise<Receipt>;
}

/** The dependencies of the receiver. */
export interface DeliveryReceiverDeps {
  readonly knex: Knex;
  readonly keys: Pick<Keys, "encryption">;
  readonly evaluator: SafeEvaluator;
  readonly commands: Pick<RunCommands, "start">;
  readonly logger: Logger;
}

/** A webhook and the database's time, in unix seconds. */
type OpenWebhook = WebhookModel & { readonly nowSeconds: number };

type Deps = DeliveryReceiverDeps & { readonly cipher: Cipher };

const TOKEN = /^hrw_[A-Za-z0-9_-]{43}$/;
const DELIVERY_ID = /^[\x20-\x7e]{1,255}$/;

/** Makes the receiver. */
export function createDeliveryReceiver(given: DeliveryReceiverDeps): DeliveryReceiver {
  const deps: Deps = { ...given, cipher: createCipher(given.keys) };
  return {
    async assertOpen(token) {
      await getOpenWebhook(deps.knex, token);
    },
    async receive(delivery) {
      const webhook = await getOpenWebhook(deps.knex, delivery.token);
      try {
        return await accept(deps, webhook, delivery);
      } catch (error) {
        if (error instanceof AppError && error.entry.status < 500) {
          const { status } = error.entry;
          await log(deps, { webhookId: webhook.id, outcome: "refused", status, reason: toReason(error) });
        }
        throw error;
      }
    },
  };
}

async function getOpenWebhook(knex: Knex, token: string): Promise<OpenWebhook> {
  const webhook = TOKEN.test(token)
    ? await WebhookModel.query(knex)
        .select("webhooks.*", WebhookModel.raw("extract(epoch FROM now())::float8").as("now_seconds"))
        .where({ token_hash: hashRandomToken(token), enabled: true })
        .first()
    : undefined;
  if (!webhook) throw notFound("Webhook");
  return webhook as OpenWebhook;
}

async function accept(deps: Deps, webhook: OpenWebhook, delivery: Delivery): Promise<Receipt> {
  assertSigned(deps.cipher, webhook, delivery);
  const body = await delivery.parseBody();
  const key = toKey(webhook, delivery, body);
  const { id: webhookId, mode, waitSeconds } = webhook;
  const first = key && (await findFirstRun(deps.knex, webhookId, key));
  if (first !== undefined) {
    await log(deps, { webhookId, outcome: "repeated", status: 200, runId: first, key });
    return { kind: "run", runId: first, replayed: true, mode, waitSeconds };
  }
  const headers = Object.fromEntries(
    Object.entries(delivery.headers).filter(([name]) => !HIDDEN_HEADERS.has(name)),
  );
  const input = await shapeInput(deps.evaluator, webhook, { body, headers, query: { ...delivery.query } });
  if (input === undefined) {
    await log(deps, { webhookId, outcome: "filtered", status: 202, key });
    return { kind: "filtered" };
  }
  const { runId, replayed } = await startRun(deps, webhook, { input, key, origin: delivery.origin });
  const outcome = replayed ? ("repeated" as const) : ("accepted" as const);
  await log(deps, { webhookId, outcome, status: replayed ? 200 : 202, runId, key });
  return { kind: "run", runId, replayed, mode, waitSeconds };
}

function assertSigned(cipher: Cipher, webhook: OpenWebhook, delivery: Delivery): void {
  const secret = openSecret(cipher, webhook);
  if (secret === undefined) return;
  const { headers, bytes } = delivery;
  const signed = {
    timestamp: headers["x-headrace-timestamp"],
    signature: headers["x-headrace-signature"],
    bytes,
  };
  if (isSignatureValid(signed, secret, webhook.nowSeconds)) return;
  // one text for every fault: which part was wrong is nobody's business
  throw new AppError("SIGNATURE_INVALID", "The signature is missing, too old, or not that of this body");
}

/** Without a delivery id the signature tells repeats; without either, every delivery is a new one. */
function toKey(webhook: WebhookModel, delivery: Delivery, body: JsonValue): DeliveryKey | undefined {
  const id = delivery.headers["x-headrace-delivery"];
  if (id !== undefined && !DELIVERY_ID.test(id)) {
    const message = "must be 1 to 255 printable ASCII characters";
    throw invalidFields([{ path: "/headers/X-Headrace-Delivery", message }]);
  }
  const signature = webhook.secretKeyId === null ? undefined : delivery.headers["x-headrace-signature"];
  const key = id === undefined ? signature && `signature ${signature}` : `id ${id}`;
  if (key === undefined) return undefined;
  const came = toCanonicalJson([body, delivery.query]);
  return { key, bodyHash: createHash("sha256").update(came).digest("hex") };
}

/** Nothing but the input comes from outside: workflow and version are the webhook's. */
async function startRun(
  deps: Deps,
  webhook: WebhookModel,
  from: { input: JsonValue; key: DeliveryKey | undefined; origin: RequestOrigin },
): Promise<StartedRun> {
  const { workflowId, version } = webhook;
  if (workflowId === null) throw conflict("The workflow of this webhook was deleted");
  const command = {
    workflow: workflowId,
    version: version ?? undefined,
    input: from.input,
    trigger: "webhook" as const,
    // names may be given away and taken again; ids are not
    ...(from.key ? { idempotencyKey: `${webhook.id} ${from.key.key}`, bodyHash: from.key.bodyHash } : {}),
  };
  try {
    return await deps.commands.start(command, systemActor(`webhook ${webhook.name}`), from.origin);
  } catch (error) {
    throw error instanceof AppError ? toSender(error, webhook) : error;
  }
}

/** What the start of a run is refused for, in terms of what the sender sent. */
function toSender(error: AppError, webhook: WebhookModel): AppError {
  if (error.code === "NOT_FOUND") {
    return new AppError("CONFLICT", "The webhook's workflow or version is gone", { cause: error });
  }
  if (error.code !== "INVALID_FIELDS") return error;
  if (error.faults.some(({ path }) => path === "/headers/Idempotency-Key")) return otherBody();
  // without a mapping the body is the input
  const isBody = webhook.input === null;
  return invalidFields(
    error.faults.map(({ path, message }) => ({
      path: isBody ? path.replace(/^\/input(?=\/|$)/, "") : path,
      message,
    })),
  );
}

/** The log is a courtesy: a delivery whose run was started is not failed for it. */
async function log(deps: Deps, entry: LoggedDelivery): Promise<void> {
  try {
    await logDelivery(deps.knex, entry);
  } catch (error) {
    deps.logger.warn({ err: error, webhookId: entry.webhookId }, "delivery not logged");
  }
}
