import type { Permission, Role } from "../core/permissions.js";
import { BaseModel } from "./base-model.js";

/** One API key, as a hash. */
export class ApiKeyModel extends BaseModel {
  static override tableName = "api_keys";

  declare id: string;
  declare userId: string;
  declare name: string;
  declare prefix: string;
  declare keyHash: Buffer;
  declare role: Role;
  declare scopes: Permission[] | null;
  declare expiresAt: Date | null;
  declare lastUsedAt: Date | null;
  declare revokedAt: Date | null;
  declare createdAt: Date;
}
