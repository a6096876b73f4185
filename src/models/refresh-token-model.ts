import { BaseModel } from "./base-model.js";

/** One refresh token, as a hash; spent when it has been exchanged for the next. */
export class RefreshTokenModel extends BaseModel {
  static override tableName = "refresh_tokens";

  declare id: string;
  declare sessionId: string;
  declare tokenHash: Buffer;
  declare createdAt: Date;
  declare spentAt: Date | null;
}
