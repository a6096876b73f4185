import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Router } from "express";
import type { Knex } from "knex";
import { createApp } from "../../src/app.js";
import { deriveEncryptionKey } from "../../src/config/load-keys.js";
import { loadSettings } from "../../src/config/load-settings.js";
import { newId } from "../../src/core/ids.js";
import { type Role, ROLES } from "../../src/core/permissions.js";
import { createAuthenticator } from "../../src/http/authenticate.js";
import type { RouteDefinition } from "../../src/http/route.js";
import { platformRoutes } from "../../src/http/routes/platform.js";
import { createLogger, type Logger } from "../../src/observability/logger.js";
import { createMetrics, type Metrics } from "../../src/observability/metrics.js";
import { createHttpServer, type ServerLimits } from "../../src/server.js";
import { type AuditLog, createAuditLog } from "../../src/services/audit/audit-log.js";
import { type AuthServices, createAuthServices } from "../../src/services/auth/auth-services.js";
import type { LoginLimits } from "../../src/services/auth/login-throttle.js";
import { openSession } from "../../src/services/auth/sessions.js";
import { createReadiness, type ReadinessCheck } from "../../src/services/health/readiness.js";
import { openRequestLimiters } from "../../src/services/limits/open-request-limiters.js";
import { openSharedLimits } from "../../src/services/limits/shared-limits.js";
import { createSecretStore, type SecretStore } from "../../src/services/secrets/secret-store.js";
import { sendRequest, type TestRequest, type TestResponse } from "./http-client.js";
import { createTestDatabase } from "./test-database.js";

/** The secret that test tokens are signed with. */
export const TEST_JWT_SECRET = "test-secret-test-secret-test-secret-test";
/** The password of every test user. */
export const TEST_PASSWORD = "correct horse battery";

/** What routes under test may be built from. */
export interface TestServerParts {
  readonly knex: Knex;
  readonly databaseUrl: string;
  readonly prefix: string;
  readonly audit: AuditLog;
  readonly secrets: SecretStore;
  readonly auth: AuthServices;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** A user that a test server starts with. */
export interface TestUser {
  readonly id: string;
  readonly email: string;
  readonly token: string;
  readonly sessionId: string;
  readonly refreshToken: string;
}

/** An API over a database of its own. */
export interface TestServer extends TestServerParts {
  readonly port: number;
  readonly url: string;
  /** One of each role, signed in. */
  readonly users: Readonly<Record<Role, TestUser>>;
  readonly routes: readonly RouteDefinition[];
  /** Sends a request as a role; null: without a token. Default: `editor`. */
  request(request: TestRequest & { as?: Role | null }): Promise<TestResponse>;
  /** Adds and signs in another user. */
  addUser(role: Role, email: string): Promise<TestUser>;
  close(): Promise<void>;
}

/** What a test may set. */
export interface TestServerOptions {
  /** Routes beside the platform's own. */
  readonly routes?: (parts: TestServerParts) => readonly RouteDefinition[];
  /** Default: a free one. */
  readonly port?: number;
  readonly environment?: Readonly<Record<string, string>>;
  readonly loginLimits?: Partial<LoginLimits>;
  readonly checks?: readonly ReadinessCheck[];
  readonly bullBoard?: Router;
  readonly limits?: ServerLimits;
  readonly logger?: Logger;
  /** A pool to use in place of the test database's, for tests of its failing. */
  readonly knex?: Knex;
}

/** Starts the real app on a free port of loopback. Call `close()` in `afterAll`. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const database = await createTestDatabase();
  const settings = loadSettings({ environment: { ...options.environment } });
  const knex = options.knex ?? database.knex;
  const logger = options.logger ?? createLogger({ level: "silent", name: "test" });
  const metrics = createMetrics({ collectDefaults: false });
  const keys = {
    jwtSecret: TEST_JWT_SECRET,
    encryption: deriveEncryptionKey("test-encryption-key-test-encryption"),
  };
  const audit = createAuditLog({ knex, keys });
  const limits = openSharedLimits({ knex, redisUrl: settings.REDIS_URL, prefix: database.prefix });
  const auth = createAuthServices({
    knex,
    audit,
    keys,
    settings,
    limits,
    ...(options.loginLimits ? { loginLimits: options.loginLimits } : {}),
  });
  const secrets = createSecretStore({ knex, keys, audit });
  const parts = {
    knex,
    databaseUrl: database.url,
    prefix: database.prefix,
    audit,
    secrets,
    auth,
    metrics,
    logger,
  };
  const authenticator = createAuthenticator(auth);
  const readiness = createReadiness({ checks: options.checks ?? [], onFailure: () => undefined });
  const platform = { auth, authenticator, secrets, audit, readiness, metrics };
  const routes = [
    ...platformRoutes({ ...platform, metricsToken: settings.METRICS_TOKEN }),
    ...(options.routes?.(parts) ?? []),
  ];
  const board = options.bullBoard ? { bullBoard: options.bullBoard } : {};
  const app = createApp({
    routes,
    authenticator,
    audit,
    knex,
    settings,
    logger,
    metrics,
    version: "test",
    limits: openRequestLimiters({ limits, settings }),
    ...board,
  });
  const server = createHttpServer(app, options.limits);
  const port = await listen(server, options.port ?? 0);
  const passwordHash = await auth.passwords.hash(TEST_PASSWORD);
  const addUser = async (role: Role, email: string) =>
    await addTestUser(database.knex, auth, { role, email, passwordHash });
  const users = {} as Record<Role, TestUser>;
  for (const role of ROLES) users[role] = await addUser(role, `${role}@example.com`);
  return {
    ...parts,
    port,
    url: `http://127.0.0.1:${port}`,
    users,
    routes,
    addUser,
    async request({ as = "editor", ...request }) {
      const token = request.token ?? (as === null ? undefined : users[as].token);
      return await sendRequest(port, { ...request, token });
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      limits.close();
      await database.drop();
    },
  };
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

async function addTestUser(
  knex: Knex,
  auth: AuthServices,
  user: { role: Role; email: string; passwordHash: string },
): Promise<TestUser> {
  const id = newId();
  const { role, email, passwordHash } = user;
  await knex("users").insert({ id, email, name: role, role, password_hash: passwordHash });
  const { sessionId, refreshToken } = await openSession(knex, id, null);
  const { accessToken } = auth.accessTokens.issue({ userId: id, sessionId });
  return { id, email, token: accessToken, sessionId, refreshToken };
}
