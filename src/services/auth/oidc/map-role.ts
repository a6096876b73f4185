import { type Role, ROLES } from "../../../core/permissions.js";
import type { OidcClaims, OidcSettings } from "./oidc-provider-client.js";

/** The strongest role that a person's groups give; undefined when none does, or when roles are not given there. */
export function mapRole(
  { OIDC_ROLE_CLAIM: claim, OIDC_ROLE_MAP: map }: OidcSettings,
  claims: OidcClaims,
): Role | undefined {
  if (claim === undefined || map === undefined) return undefined;
  const groups = readClaim(claims, claim);
  const given = (Array.isArray(groups) ? groups : [groups])
    .filter((group) => typeof group === "string")
    .map((group) => map.get(group));
  return ROLES.findLast((role) => given.includes(role));
}

/** A member of the claims: by its whole name, which may hold dots (`https://example.com/roles`), else by path. */
function readClaim(claims: OidcClaims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  return name
    .split(".")
    .reduce<unknown>(
      (value, part) =>
        typeof value === "object" && value !== null && Object.hasOwn(value, part)
          ? (value as Record<string, unknown>)[part]
          : undefined,
      claims,
    );
}
