import type { DeliveryMapping, WebhookMode } from "../contracts/api/webhooks.js";
import { BaseModel } from "./base-model.js";

/** A webhook. Its token is here only as a digest, its secret only as ciphertext. */
export class WebhookModel extends BaseModel {
  static override tableName = "webhooks";

  declare id: string;
  declare name: string;
  declare tokenHash: Buffer;
  /** Null once the workflow was deleted. */
  declare workflowId: string | null;
  /** Null: the published version. */
  declare version: number | null;
  declare enabled: boolean;
  declare secretKeyId: string | null;
  declare secretCiphertext: Buffer | null;
  declare filter: string | null;
  /** An object, which `pg` reads and writes as JSON. */
  declare input: Record<string, DeliveryMapping> | null;
  declare mode: WebhookMode;
  declare waitSeconds: number;
  declare revision: number;
  declare createdBy: string | null;
  declare createdAt: Date;
  declare updatedAt: Date;
}
