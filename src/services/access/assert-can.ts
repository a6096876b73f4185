import type { Actor } from "../../core/actor.js";
import { canRole, type Permission, type Role, ROLES } from "../../core/permissions.js";
import { AppError } from "../../errors/app-error.js";

/** Whether an actor has a permission. */
export function canActor(actor: Actor, permission: Permission): boolean {
  return canRole(actor.role, permission);
}

/** @throws AppError FORBIDDEN when the actor lacks the permission. */
export function assertCan(actor: Actor, permission: Permission): void {
  if (!canActor(actor, permission)) {
    throw new AppError("FORBIDDEN", `Your role, ${actor.role}, lacks the permission ${permission}`);
  }
}

/** Nobody hands out more than they have. @throws AppError FORBIDDEN */
export function assertMayGrant(actor: Actor, role: Role): void {
  if (ROLES.indexOf(role) > ROLES.indexOf(actor.role)) {
    throw new AppError("FORBIDDEN", `Your role, ${actor.role}, may not grant the role ${role}`);
  }
}
