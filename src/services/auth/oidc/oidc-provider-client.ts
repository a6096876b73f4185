import * as client from "openid-client";
import { codeOf, isUnreachable } from "../../../errors/is-unreachable.js";
import type { Settings } from "../../../config/settings-schema.js";
import { OidcError } from "./oidc-fault.js";

/** The settings of a provider, once it is known that they are there. */
export type OidcSettings = Pick<
  Settings,
  | "OIDC_CLIENT_SECRET"
  | "OIDC_SCOPES"
  | "OIDC_LABEL"
  | "OIDC_ROLE_CLAIM"
  | "OIDC_ROLE_MAP"
  | "OIDC_DEFAULT_ROLE"
> & { readonly OIDC_ISSUER: string; readonly OIDC_CLIENT_ID: string };

/** What a browser must bring back from the provider, to be taken for the one that was sent there. */
export interface OidcChecks {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
}

/** What a provider says of a person, its signature, issuer, audience and nonce checked. */
export type OidcClaims = Readonly<Record<string, unknown>> & { readonly iss: string; readonly sub: string };

/** Speaks to the provider. */
export interface OidcProviderClient {
  /** Where to send a browser. @throws OidcError `unreachable` */
  begin(redirectUri: string): Promise<{ readonly url: URL; readonly checks: OidcChecks }>;
  /** Exchanges the code of the URL that the browser came back with. @throws OidcError */
  finish(callbackUrl: URL, checks: OidcChecks): Promise<OidcClaims>;
}

const TIMEOUT_SECONDS = 10;

/** Makes the client. The provider's metadata is fetched when it is first needed, and again after a failure. */
export function createOidcProviderClient(settings: OidcSettings): OidcProviderClient {
  let configured: Promise<client.Configuration> | undefined;

  async function configure(): Promise<client.Configuration> {
    configured ??= discover(settings).catch((error: unknown) => {
      configured = undefined;
      throw error;
    });
    return await configured;
  }

  return {
    async begin(redirectUri) {
      const config = await configure();
      const checks = {
        state: client.randomState(),
        nonce: client.randomNonce(),
        codeVerifier: client.randomPKCECodeVerifier(),
      };
      const url = client.buildAuthorizationUrl(config, {
        redirect_uri: redirectUri,
        scope: settings.OIDC_SCOPES,
        state: checks.state,
        nonce: checks.nonce,
        code_challenge: await client.calculatePKCECodeChallenge(checks.codeVerifier),
        code_challenge_method: "S256",
      });
      return { url, checks };
    },
    async finish(callbackUrl, checks) {
      const config = await configure();
      try {
        const tokens = await client.authorizationCodeGrant(config, callbackUrl, {
          expectedState: checks.state,
          expectedNonce: checks.nonce,
          pkceCodeVerifier: checks.codeVerifier,
          idTokenExpected: true,
        });
        const claims = tokens.claims();
        if (!claims) throw new OidcError("invalid", "The provider sent no ID token");
        return needsUserInfo(settings, claims)
          ? { ...(await client.fetchUserInfo(config, tokens.access_token, claims.sub)), ...claims }
          : claims;
      } catch (error) {
        throw toOidcError(error);
      }
    },
  };
}

async function discover(settings: OidcSettings): Promise<client.Configuration> {
  const { OIDC_ISSUER: issuer, OIDC_CLIENT_ID: clientId, OIDC_CLIENT_SECRET: secret } = settings;
  const isLocal = new URL(issuer).protocol === "http:";
  try {
    return await client.discovery(
      new URL(issuer),
      clientId,
      {},
      secret === undefined ? client.None() : client.ClientSecretBasic(secret),
      // the settings allow http on this machine alone
      { timeout: TIMEOUT_SECONDS, ...(isLocal ? { execute: [client.allowInsecureRequests] } : {}) },
    );
  } catch (cause) {
    throw new OidcError("unreachable", "The provider's metadata cannot be read", { cause });
  }
}

/** Some providers put the e-mail address into the ID token, some keep it for the UserInfo endpoint. */
function needsUserInfo(
  { OIDC_ROLE_CLAIM: claim }: OidcSettings,
  claims: Readonly<Record<string, unknown>>,
): boolean {
  const root = claim?.split(".")[0];
  return (
    claims["email"] === undefined ||
    (root !== undefined && claims[root] === undefined && claims[claim ?? ""] === undefined)
  );
}

function toOidcError(error: unknown): OidcError {
  if (error instanceof OidcError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof client.AuthorizationResponseError)
    return new OidcError("refused", `The provider refused: ${error.error}`, { cause: error });
  if (isUnreachable(error) || codeOf(error) === "OAUTH_TIMEOUT" || error instanceof TypeError)
    return new OidcError("unreachable", "The provider does not answer", { cause: error });
  return new OidcError("invalid", message, { cause: error });
}
