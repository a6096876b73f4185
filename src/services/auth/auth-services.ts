import type { Knex } from "knex";
import type { Keys } from "../../config/load-keys.js";
import type { Settings } from "../../config/settings-schema.js";
import type { Logger } from "../../observability/logger.js";
import type { AuditLog } from "../audit/audit-log.js";
import { openSharedLimits, type SharedLimits } from "../limits/shared-limits.js";
import { createUsers, type Users } from "../users/users.js";
import { type AccessTokens, createAccessTokens } from "./access-tokens.js";
import { type ApiKeys, createApiKeys } from "./api-keys.js";
import { createKnownDevices } from "./known-devices.js";
import { createLoginThrottle, type LoginLimits } from "./login-throttle.js";
import { createPasswords, type Passwords } from "./passwords.js";
import { createPrincipals, type Principals } from "./principals.js";
import { createOidcSignIn, type OidcSignIn } from "./oidc/oidc-sign-in.js";
import { createSessionStarter } from "./start-session.js";
import { createSignIn, type SignIn } from "./sign-in.js";

/** Everything that signing in takes, sharing one cache of principals. */
export interface AuthServices {
  readonly accessTokens: AccessTokens;
  readonly passwords: Passwords;
  readonly principals: Principals;
  readonly signIn: SignIn;
  /** Undefined while no provider is configured. */
  readonly oidc: OidcSignIn | undefined;
  readonly apiKeys: ApiKeys;
  readonly users: Users;
}

/** Makes them. */
export function createAuthServices(deps: {
  readonly knex: Knex;
  readonly audit: AuditLog;
  readonly keys: Pick<Keys, "jwtSecret">;
  readonly loginLimits?: Partial<LoginLimits>;
  /** Where attempts are counted; by default in the database. */
  readonly limits?: SharedLimits;
  /** For sign-in through a provider; without them there is none. */
  readonly settings?: Settings;
  readonly logger?: Logger;
}): AuthServices {
  const { knex, audit } = deps;
  const accessTokens = createAccessTokens(deps.keys);
  const passwords = createPasswords();
  const principals = createPrincipals({ knex });
  const limits = deps.limits ?? openSharedLimits({ knex });
  const throttle = createLoginThrottle({ limits, bounds: deps.loginLimits });
  const sessions = createSessionStarter({ audit, accessTokens });
  const devices = createKnownDevices(deps.keys);
  return {
    accessTokens,
    passwords,
    principals,
    signIn: createSignIn({ knex, audit, sessions, passwords, principals, throttle, devices }),
    oidc:
      deps.settings && createOidcSignIn({ ...deps, settings: deps.settings, limits, principals, sessions }),
    apiKeys: createApiKeys({ knex, audit, principals }),
    users: createUsers({ knex, audit, passwords, principals }),
  };
}
