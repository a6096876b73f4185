/** The roles of people and API keys, weakest first. Each has everything the one before it has. */
export const ROLES = ["viewer", "operator", "editor", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** What a route or a service may demand. `noun:verb`. */
const GRANTS = {
  viewer: [
    "definition:read",
    "definition:validate",
    "run:read",
    "dashboard:read",
    "schedule:read",
    "webhook:read",
    "app:read",
    "connection:read",
    "secret:read",
    "llm:read",
    "api-key:own",
  ],
  operator: ["run:start", "run:cancel", "run:approve", "app:stop", "schedule:operate", "queue:read"],
  editor: [
    "definition:write",
    "schedule:write",
    "webhook:write",
    "connection:write",
    "connection:use",
    "secret:write",
    "copilot:use",
  ],
  admin: ["user:manage", "audit:read", "api-key:any", "llm:manage"],
} as const satisfies Record<Role, readonly string[]>;

/** One permission. */
export type Permission = (typeof GRANTS)[Role][number];

/** Every permission there is, as the strongest role has them. */
export const PERMISSIONS: readonly Permission[] = ROLES.flatMap(
  (role): readonly Permission[] => GRANTS[role],
);

/** Every permission of a role, its weaker roles' included. */
export function permissionsOf(role: Role): Permission[] {
  return ROLES.slice(0, ROLES.indexOf(role) + 1).flatMap((weaker): readonly Permission[] => GRANTS[weaker]);
}

/** Whether a role has a permission. */
export function canRole(role: Role, permission: Permission): boolean {
  return permissionsOf(role).includes(permission);
}

/** The weaker of two roles: an API key never exceeds its owner. */
export function weakerRole(one: Role, other: Role): Role {
  return ROLES.indexOf(one) <= ROLES.indexOf(other) ? one : other;
}
