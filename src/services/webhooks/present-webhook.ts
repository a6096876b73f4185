import type { Webhook, WebhookDelivery } from "../../contracts/api/webhooks.js";
import type { Db } from "../../models/repository.js";
import type { WebhookDeliveryModel } from "../../models/webhook-delivery-model.js";
import type { WebhookModel } from "../../models/webhook-model.js";
import { WorkflowDefinitionModel } from "../../models/workflow-definition-model.js";

/** Webhooks as the API shows them, with the present names of their workflows. */
export async function presentWebhooks(db: Db, rows: readonly WebhookModel[]): Promise<Webhook[]> {
  const ids = [...new Set(rows.flatMap(({ workflowId }) => workflowId ?? []))];
  const named =
    ids.length === 0 ? [] : await WorkflowDefinitionModel.query(db).select("id", "name").whereIn("id", ids);
  const nameById = new Map(named.map(({ id, name }) => [id, name]));
  return rows.map((row) => presentWebhook(row, nameById.get(row.workflowId ?? "") ?? null));
}

/** One webhook, without token and secret. */
export function presentWebhook(row: WebhookModel, workflow: string | null): Webhook {
  return {
    id: row.id,
    name: row.name,
    workflow,
    workflowId: row.workflowId,
    version: row.version,
    enabled: row.enabled,
    hasSecret: row.secretKeyId !== null,
    filter: row.filter,
    input: row.input,
    mode: row.mode,
    waitSeconds: row.waitSeconds,
    revision: row.revision,
    createdBy: row.createdBy,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

/** One entry of a webhook's log. */
export function presentDelivery(row: WebhookDeliveryModel): WebhookDelivery {
  const { id, outcome, status, runId, reason } = row;
  return { id, at: row.at.toISOString(), outcome, status, runId, reason };
}
