import { z } from "zod";
import { type Role, ROLES } from "../core/permissions.js";

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);
const role = z.enum(ROLES);

/** Whether an issuer's address is fit to be trusted: https, or http on this machine. */
function isFitIssuer(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url?.protocol === "https:" || (url?.protocol === "http:" && LOOPBACK.has(url.hostname));
}

const roleMap = z.string().transform((text, context) => {
  const pairs = text
    .split(",")
    .map((pair) => pair.trim())
    .filter((pair) => pair !== "");
  const map = new Map<string, Role>();
  for (const pair of pairs) {
    // a group's name may hold an equals sign, a role's does not
    const at = pair.lastIndexOf("=");
    const parsed = role.safeParse(pair.slice(at + 1).trim());
    if (at > 0 && parsed.success) map.set(pair.slice(0, at).trim(), parsed.data);
    else context.addIssue({ code: "custom", message: `names "${pair}", not value=role` });
  }
  return map as ReadonlyMap<string, Role>;
});

/** The settings of signing in through an OpenID Connect provider, for the settings' schema. */
export const oidcSettings = {
  OIDC_ISSUER: z
    .string()
    .refine(isFitIssuer, "must be an https:// URL")
    .optional()
    .describe(
      "OpenID Connect provider that people may sign in through; its discovery document names the rest.",
    ),
  OIDC_CLIENT_ID: z.string().min(1).optional().describe("What this installation is called at the provider."),
  OIDC_CLIENT_SECRET: z
    .string()
    .min(1)
    .optional()
    .describe("Its secret there; unset: it is a public client, PKCE alone vouches for it."),
  OIDC_SCOPES: z
    .string()
    .regex(/(^| )openid( |$)/, "must name openid")
    .default("openid email profile")
    .describe("Scopes that are asked for, separated by spaces."),
  OIDC_LABEL: z
    .string()
    .min(1)
    .max(60)
    .default("single sign-on")
    .describe("What the sign-in button calls it."),
  OIDC_ROLE_CLAIM: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Claim with the person's groups, with dots for a path in it: realm_access.roles. Unset: roles are given here.",
    ),
  OIDC_ROLE_MAP: roleMap
    .optional()
    .describe(
      "Which of them give which role, comma-separated: ops=operator,platform=admin; the strongest counts.",
    ),
  OIDC_DEFAULT_ROLE: role
    .optional()
    .describe("Role of new people whom no group gives one; unset: they may not come in."),
};
