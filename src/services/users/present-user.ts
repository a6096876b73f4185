import type { User } from "../../contracts/api/users.js";
import type { UserModel } from "../../models/user-model.js";

/** A person as the API shows them: without their password's hash. */
export function presentUser(row: UserModel): User {
  return {
    id: row.id,
    email: row.email,
    name: row.name,
    role: row.role,
    isActive: row.isActive,
    lastLoginAt: row.lastLoginAt?.toISOString() ?? null,
    revision: row.revision,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}
