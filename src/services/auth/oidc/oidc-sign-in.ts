import type { Knex } from "knex";
import type { Keys } from "../../../config/load-keys.js";
import type { Settings } from "../../../config/settings-schema.js";
import type { SignedIn } from "../../../contracts/api/auth.js";
import type { RequestOrigin } from "../../../core/actor.js";
import type { Logger } from "../../../observability/logger.js";
import type { AuditLog } from "../../audit/audit-log.js";
import { toAddressKey } from "../../limits/address-key.js";
import { countOrRefuse } from "../../limits/count-or-refuse.js";
import type { SharedLimits } from "../../limits/shared-limits.js";
import type { Principals } from "../principals.js";
import type { SessionStarter } from "../start-session.js";
import { findOrMakeAccount } from "./oidc-accounts.js";
import { OidcError, type OidcFault } from "./oidc-fault.js";
import { createOidcProviderClient, type OidcClaims, type OidcSettings } from "./oidc-provider-client.js";
import { createOidcStates } from "./oidc-state.js";

/** How a sign-in through the provider ended. */
export type OidcOutcome =
  | { readonly signedIn: SignedIn; readonly next: string }
  | { readonly fault: OidcFault; readonly next: string };

/** Sign-in through an OpenID Connect provider: authorization code with PKCE, state and nonce. */
export interface OidcSignIn {
  /** What the button says. */
  readonly label: string;
  /** Where to send a browser, and what it has to keep meanwhile. A fault when the provider cannot be reached. */
  begin(
    redirectUri: string,
    next: string,
  ): Promise<{ readonly url: string; readonly state: string } | { readonly fault: OidcFault }>;
  /** Ends it, with the URL's query that the browser came back with and what it kept. */
  finish(query: string, state: string | undefined, origin: RequestOrigin): Promise<OidcOutcome>;
}

interface OidcDeps {
  readonly knex: Knex;
  readonly audit: AuditLog;
  readonly keys: Pick<Keys, "jwtSecret">;
  readonly principals: Principals;
  readonly sessions: SessionStarter;
  readonly limits: SharedLimits;
  readonly logger?: Logger | undefined;
}

/** From one address. */
const ATTEMPTS_A_MINUTE = 60;

/** Makes it; undefined while no provider is configured. */
export function createOidcSignIn(deps: OidcDeps & { readonly settings: Settings }): OidcSignIn | undefined {
  const { OIDC_ISSUER, OIDC_CLIENT_ID } = deps.settings;
  if (OIDC_ISSUER === undefined || OIDC_CLIENT_ID === undefined) return undefined;
  const settings: OidcSettings = { ...deps.settings, OIDC_ISSUER, OIDC_CLIENT_ID };
  const provider = createOidcProviderClient(settings);
  const states = createOidcStates(deps.keys);
  const attempts = deps.limits.limiter({ name: "oidc", points: ATTEMPTS_A_MINUTE, seconds: 60 });
  return {
    label: settings.OIDC_LABEL,
    async begin(redirectUri, next) {
      try {
        const { url, checks } = await provider.begin(redirectUri);
        return { url: url.href, state: states.seal({ ...checks, redirectUri, next }) };
      } catch (error) {
        return { fault: toFault(deps, error) };
      }
    },
    async finish(query, state, origin) {
      const begun = state === undefined ? undefined : states.unseal(state);
      if (!begun) return { fault: "stale", next: "/" };
      const { next, redirectUri, ...checks } = begun;
      // each way back asks the provider
      await countOrRefuse(attempts, toAddressKey(origin.address), "Too many sign-ins");
      let claims: OidcClaims | undefined;
      try {
        claims = await provider.finish(new URL(`${redirectUri}${query}`), checks);
        return { signedIn: await enter({ ...deps, settings }, claims, origin), next };
      } catch (error) {
        const fault = toFault(deps, error);
        await recordFailure(deps, claims, fault, origin);
        return { fault, next };
      }
    },
  };
}

async function enter(
  deps: OidcDeps & { readonly settings: OidcSettings },
  claims: OidcClaims,
  origin: RequestOrigin,
): Promise<SignedIn> {
  const signedIn = await deps.knex.transaction(async (trx) => {
    const user = await findOrMakeAccount(deps, trx, claims, origin);
    return await deps.sessions.start(trx, user, { origin, by: "oidc" });
  });
  // the role may have changed with it
  deps.principals.forget();
  return signedIn;
}

/** @throws what is no fault of the sign-in: a database that is away */
function toFault({ logger }: OidcDeps, error: unknown): OidcFault {
  if (!(error instanceof OidcError)) throw error;
  logger?.warn({ err: error.cause ?? error, fault: error.fault }, "sign-in through the provider failed");
  return error.fault;
}

async function recordFailure(
  { audit, knex }: OidcDeps,
  claims: OidcClaims | undefined,
  fault: OidcFault,
  origin: RequestOrigin,
): Promise<void> {
  const email = claims?.["email"];
  await audit.record(knex, {
    actor: {
      type: "user",
      userId: null,
      name: typeof email === "string" ? email : "unknown",
      role: "viewer",
    },
    origin,
    action: "session.create",
    entityType: "user",
    after: { by: "oidc", fault, ...(claims ? { issuer: claims.iss, subject: claims.sub } : {}) },
    outcome: "failed",
  });
}
