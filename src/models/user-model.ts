import type { Role } from "../core/permissions.js";
import { BaseModel } from "./base-model.js";

/** A person who may sign in. */
export class UserModel extends BaseModel {
  static override tableName = "users";

  declare id: string;
  declare email: string;
  declare name: string;
  declare passwordHash: string | null;
  declare role: Role;
  declare isActive: boolean;
  declare tokensValidAfter: Date;
  declare revision: number;
  declare lastLoginAt: Date | null;
  declare createdAt: Date;
  declare updatedAt: Date;
}
