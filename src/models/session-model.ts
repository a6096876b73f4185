import { BaseModel } from "./base-model.js";

/** One sign-in: the family of refresh tokens that follow one another. */
export class SessionModel extends BaseModel {
  static override tableName = "sessions";

  declare id: string;
  declare userId: string;
  declare createdAt: Date;
  declare expiresAt: Date;
  declare revokedAt: Date | null;
  declare address: string | null;
}
