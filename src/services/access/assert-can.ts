import type { Actor } from "../../core/actor.js";
import { canRole, type Permission, permissionsOf, type Role, ROLES } from "../../core/permissions.js";
import { AppError } from "../../errors/app-error.js";

/** Whether an actor has a permission: by role, and for a narrowed API key by its scopes as well. */
export function canActor(actor: Actor, permission: Permission): boolean {
  return canRole(actor.role, permission) && (actor.scopes?.includes(permission) ?? true);
}

/** Everything that an actor may do. */
export function permissionsOfActor(actor: Actor): Permission[] {
  return permissionsOf(actor.role).filter((permission) => canActor(actor, permission));
}

/** @throws AppError FORBIDDEN when the actor lacks the permission. */
export function assertCan(actor: Actor, permission: Permission): void {
  if (!canRole(actor.role, permission)) {
    throw new AppError("FORBIDDEN", `Your role, ${actor.role}, lacks the permission ${permission}`);
  }
  if (!canActor(actor, permission)) {
    throw new AppError("FORBIDDEN", `This API key's scopes lack the permission ${permission}`);
  }
}

/** Nobody hands out more than they have. @throws AppError FORBIDDEN */
export function assertMayGrant(actor: Actor, role: Role): void {
  if (ROLES.indexOf(role) > ROLES.indexOf(actor.role)) {
    throw new AppError("FORBIDDEN", `Your role, ${actor.role}, may not grant the role ${role}`);
  }
}
