import type { Metrics } from "../../observability/metrics.js";
import type { AuditLog } from "../../services/audit/audit-log.js";
import type { AuthServices } from "../../services/auth/auth-services.js";
import type { Readiness } from "../../services/health/readiness.js";
import type { SecretStore } from "../../services/secrets/secret-store.js";
import type { Authenticator } from "../authenticate.js";
import type { ConsoleFiles } from "../pages/console-files.js";
import type { RouteDefinition } from "../route.js";
import { actionLogRoutes } from "./action-logs.js";
import { apiKeyRoutes } from "./api-keys.js";
import { authRoutes } from "./auth.js";
import { healthRoutes } from "./health.js";
import { metricsRoutes } from "./metrics.js";
import { oidcRoutes } from "./oidc.js";
import { pageRoutes } from "./pages.js";
import { secretRoutes } from "./secrets.js";
import { userRoutes } from "./users.js";

/** What the platform's own routes stand on. */
export interface PlatformRouteDeps {
  readonly auth: Pick<AuthServices, "signIn" | "oidc" | "apiKeys" | "users">;
  /** The setting `PUBLIC_URL`. */
  readonly publicUrl?: string | undefined;
  readonly authenticator: Authenticator;
  readonly secrets: SecretStore;
  readonly audit: AuditLog;
  readonly readiness: () => Promise<Readiness>;
  readonly describeSandbox?: () => unknown;
  readonly metrics: Metrics;
  readonly metricsToken: string | undefined;
  readonly collectMoreMetrics?: () => Promise<string>;
  /** The built console, served at `/`; without it, a landing page is. */
  readonly console?: ConsoleFiles | undefined;
}

/** Sign-in, API keys, users, secrets, audit log, health, metrics, docs and pages. */
export function platformRoutes(deps: PlatformRouteDeps): RouteDefinition[] {
  const { auth, authenticator, audit, metrics, metricsToken } = deps;
  const collectMore = deps.collectMoreMetrics;
  const { describeSandbox } = deps;
  return [
    ...authRoutes({ signIn: auth.signIn, authenticator }),
    ...oidcRoutes({ oidc: auth.oidc, publicUrl: deps.publicUrl }),
    ...apiKeyRoutes({ apiKeys: auth.apiKeys }),
    ...userRoutes({ users: auth.users }),
    ...secretRoutes({ secrets: deps.secrets }),
    ...actionLogRoutes({ audit }),
    ...healthRoutes({ readiness: deps.readiness, ...(describeSandbox ? { describeSandbox } : {}) }),
    ...metricsRoutes({ metrics, metricsToken, ...(collectMore ? { collectMore } : {}) }),
    ...pageRoutes({ console: deps.console }),
  ];
}
