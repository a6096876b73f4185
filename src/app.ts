import express, { type Express, type Router } from "express";
import type { Knex } from "knex";
import type { Settings } from "./config/settings-schema.js";
import { AppError } from "./errors/app-error.js";
import { createErrorAnswer } from "./http/answer-errors.js";
import { guardAppsOrigin } from "./http/apps/guard-apps-origin.js";
import type { Authenticator } from "./http/authenticate.js";
import { createCors } from "./http/cors.js";
import { guardQueueBoard, QUEUE_BOARD_PATH } from "./http/guard-queue-board.js";
import { createAddressLimit, type RequestLimits } from "./http/limit-requests.js";
import { createHostGuard } from "./http/host-guard.js";
import { mountRoutes } from "./http/mount-routes.js";
import { createRequestObserver } from "./http/observe-requests.js";
import { buildOpenApi } from "./http/openapi.js";
import type { RouteDefinition } from "./http/route.js";
import { openApiRoutes } from "./http/routes/pages.js";
import { createSecurityHeaders } from "./http/security-headers.js";
import type { Logger } from "./observability/logger.js";
import type { Metrics } from "./observability/metrics.js";
import type { AuditLog } from "./services/audit/audit-log.js";

/** What an app is made of. */
export interface AppDeps {
  /** The whole HTTP surface, but for `/openapi.json`, which is made from it. */
  readonly routes: readonly RouteDefinition[];
  readonly authenticator: Authenticator;
  readonly audit: AuditLog;
  readonly knex: Knex;
  readonly settings: Pick<Settings, "HOST" | "TRUST_PROXY" | "APPS_URL" | "CORS_ORIGINS" | "MAX_BODY_BYTES">;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Shown in the OpenAPI document. */
  readonly version: string;
  /** How much callers may ask for; unset: as much as they like. */
  readonly limits?: RequestLimits;
  /** Bull Board, mounted read-only at `/admin/queues`. */
  readonly bullBoard?: Router;
  /** What else answers, after the table and before 404: the console's files, the apps' proxy. */
  readonly fallbacks?: readonly Router[];
}

/** The Express app. It listens nowhere. */
export function createApp(deps: AppDeps): Express {
  const { settings, logger, metrics, authenticator, audit, knex } = deps;
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.set("trust proxy", settings.TRUST_PROXY);
  app.set("query parser", "simple");
  app.use(createRequestObserver({ logger, metrics }));
  app.use(createSecurityHeaders());
  app.use(createHostGuard(settings));
  app.use(createAddressLimit(deps.limits?.byAddress));
  app.use(guardAppsOrigin(settings.APPS_URL));
  app.use((request, _response, next) => {
    next(
      request.rawHeaders.length / 2 > MOST_HEADERS
        ? new AppError("HEADERS_TOO_LARGE", "Too many headers")
        : undefined,
    );
  });
  app.use(createCors(settings.CORS_ORIGINS));
  const ownRoutes = openApiRoutes({
    buildDocument: () => buildOpenApi([...deps.routes, ...ownRoutes], deps.version),
  });
  const routes = [...deps.routes, ...ownRoutes];
  const { limits } = deps;
  app.use(mountRoutes(routes, { authenticator, audit, knex, maxBodyBytes: settings.MAX_BODY_BYTES, limits }));
  if (deps.bullBoard) {
    app.use(QUEUE_BOARD_PATH, guardQueueBoard({ board: deps.bullBoard, authenticator, audit, knex, limits }));
  }
  for (const fallback of deps.fallbacks ?? []) app.use(fallback);
  app.use(() => {
    throw new AppError("NOT_FOUND", "There is nothing at this path");
  });
  app.use(createErrorAnswer({ logger }));
  return app;
}

const MOST_HEADERS = 100;
