import type { DeliveryOutcome } from "../contracts/api/webhooks.js";
import { BaseModel } from "./base-model.js";

/** What became of one delivery to a webhook. */
export class WebhookDeliveryModel extends BaseModel {
  static override tableName = "webhook_deliveries";

  declare id: string;
  declare webhookId: string;
  declare at: Date;
  declare outcome: DeliveryOutcome;
  declare status: number;
  declare runId: string | null;
  declare reason: string | null;
  declare deliveryKey: string | null;
  declare bodyHash: string | null;
}
