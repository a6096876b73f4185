import type { Knex } from "knex";
import type { DeliveryOutcome } from "../../contracts/api/webhooks.js";
import { newId } from "../../core/ids.js";
import { type AppError, invalidFields } from "../../errors/app-error.js";
import { WebhookDeliveryModel } from "../../models/webhook-delivery-model.js";
import { toStorableText } from "../../core/storable-text.js";
import { EvaluationError } from "../evaluation-types.js";

/** What tells a repeated delivery from a new one. */
export interface DeliveryKey {
  /** The sender's delivery id, or the signature. */
  readonly key: string;
  /** The same key with another body is refused. */
  readonly bodyHash: string;
}

/** One delivery, for the log. */
export interface LoggedDelivery {
  readonly webhookId: string;
  readonly outcome: DeliveryOutcome;
  readonly status: number;
  readonly runId?: string;
  readonly reason?: string;
  readonly key?: DeliveryKey | undefined;
}

/** Entries kept of each webhook, beside those that tell repeats. */
const KEPT = 100;
/** How long a repeat is answered with the first run. */
const LIFETIME_HOURS = 24;
/** Refusals logged per webhook and minute: whoever knows the path must not be able to fill the disk. */
const MOST_REFUSALS = 100;
const MOST_REASON_CHARS = 1000;

/** Adds an entry; a refusal only while there are not too many of them. */
export async function logDelivery(knex: Knex, entry: LoggedDelivery): Promise<void> {
  await knex.raw(
    `INSERT INTO webhook_deliveries (id, webhook_id, outcome, status, run_id, reason, delivery_key, body_hash)
     SELECT :id, :webhookId, :outcome, :status, :runId, :reason, :key, :bodyHash
     WHERE :outcome <> 'refused' OR (SELECT count(*) FROM webhook_deliveries
       WHERE webhook_id = :webhookId AND outcome = 'refused' AND at > now() - interval '1 minute') < :mostRefusals`,
    {
      id: newId(),
      webhookId: entry.webhookId,
      outcome: entry.outcome,
      status: entry.status,
      runId: entry.runId ?? null,
      reason: entry.reason === undefined ? null : toStorableText(entry.reason).slice(0, MOST_REASON_CHARS),
      key: entry.key?.key ?? null,
      bodyHash: entry.key?.bodyHash ?? null,
      mostRefusals: MOST_REFUSALS,
    },
  );
}

/**
 * The run that the same delivery has started within 24 hours, whatever became of the webhook since.
 * @throws AppError INVALID_FIELDS when it came with another body.
 */
export async function findFirstRun(
  knex: Knex,
  webhookId: string,
  { key, bodyHash }: DeliveryKey,
): Promise<string | undefined> {
  const first = await WebhookDeliveryModel.query(knex)
    .where({ webhook_id: webhookId, delivery_key: key, outcome: "accepted" })
    .whereRaw("at > now() - make_interval(hours => ?)", [LIFETIME_HOURS])
    .orderBy("at", "desc")
    .first();
  if (first && first.bodyHash !== bodyHash) throw otherBody();
  return first?.runId ?? undefined;
}

/** 422: a delivery id that another body has used. */
export function otherBody(): AppError {
  return invalidFields([{ path: "/headers/X-Headrace-Delivery", message: "was used with another body" }]);
}

/** Why a delivery was refused, for those who may read the webhook: more than its sender is told. */
export function toReason(error: AppError): string {
  if (error.cause instanceof EvaluationError) return error.cause.message;
  if (error.faults.length < 2) return error.detail;
  return error.faults.map(({ path, message }) => `${path || "body"}: ${message}`).join("; ");
}

/** Removes what is neither among the newest hundred entries of its webhook nor needed to tell repeats. */
export async function tidyDeliveries(knex: Knex): Promise<void> {
  await knex.raw(
    `WITH kept AS (
       SELECT webhooks.id AS webhook_id, oldest.id
       FROM webhooks CROSS JOIN LATERAL (
         SELECT id FROM webhook_deliveries WHERE webhook_id = webhooks.id ORDER BY id DESC OFFSET ? LIMIT 1
       ) AS oldest
     )
     DELETE FROM webhook_deliveries AS entry USING kept
     WHERE entry.webhook_id = kept.webhook_id AND entry.id < kept.id
       AND (entry.outcome <> 'accepted' OR entry.delivery_key IS NULL
         OR entry.at <= now() - make_interval(hours => ?))`,
    [KEPT - 1, LIFETIME_HOURS],
  );
}
