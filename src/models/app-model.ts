import { BaseModel } from "./base-model.js";

/** How far an app is; the last two are final. */
export type AppStatus = "starting" | "running" | "stopped" | "failed";

/** An app that a step has started. Its worker keeps the row. */
export class AppModel extends BaseModel {
  static override tableName = "apps";

  declare id: string;
  declare name: string;
  declare mode: "server" | "browser";
  declare status: AppStatus;
  declare reason: string | null;
  declare runId: string;
  declare stepId: string;
  declare stepIndex: number;
  declare itemIndex: number;
  declare workflowVersionId: string;
  declare mcpVersionId: string;
  /** The step's fencing token. */
  declare leaseToken: string;
  declare waitForSubmit: boolean;
  declare submittedAt: Date | null;
  declare workerId: string;
  declare hostname: string;
  declare gatewaySocket: string;
  declare gatewayUrl: string | null;
  declare restarts: number;
  declare idleTimeoutSeconds: number;
  declare logTail: string[];
  declare stopRequestedAt: Date | null;
  declare stopRequestedBy: string | null;
  declare lastUsedAt: Date;
  declare lastSeenAt: Date;
  declare leaseUntil: Date;
  declare createdBy: string | null;
  declare createdAt: Date;
  declare updatedAt: Date;
  declare stoppedAt: Date | null;

  static override get jsonAttributes(): string[] {
    return ["logTail"];
  }
}
